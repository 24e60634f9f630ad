"""A run in memory: its plan, and every result with its outcomes, as an archive's members and back."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from benchmark.errors import UserError
from benchmark.exchange.archive import MEMBER_BYTES, PLAN, key_of, read_archive, unpacked_size
from benchmark.exchange.plausibility import faults
from benchmark.results import SCHEMA_VERSION, Outcomes, Result
from benchmark.runs import Plan

Stored = tuple[Result, Outcomes | None]


@dataclass(frozen=True)
class Contents:
    """A plan and the results of its cells by key; cells without a result are holes."""

    plan: Plan
    results: Mapping[str, Stored]


def read_contents(path: Path) -> Contents:
    """Reads an exported run and looks at everything in it.

    Raises:
        UserError: something in it is damaged, foreign, changed, or cannot be true.
    """
    members = read_archive(path)
    try:
        plan = Plan.model_validate_json(members.pop(PLAN))
    except ValidationError as error:
        raise UserError(f"'{path}': {PLAN} is not a plan of this version: {_first(error)}") from error
    planned = {cell.key: cell for cell in plan.cells}
    if len(planned) < len(plan.cells):
        raise UserError(f"'{path}': two cells of its plan share a key; export the run again")
    results = {key: _stored(path, name, members) for name in sorted(members) if (key := key_of(name, "json"))}
    for name in members:
        if (key := key_of(name, "npz")) is not None and key not in results:
            raise UserError(f"'{path}' holds '{name}' without its result; export the run again")
    for key, (result, outcomes) in results.items():
        if key not in planned or planned[key].cell != result.cell:
            raise UserError(f"'{path}': result '{key}' ({result.cell.text}) is not in its plan; export the run again")
        if planned[key].keys.items() - (result.provenance.keys if result.provenance else planned[key].keys).items():
            raise UserError(f"'{path}': result '{key}' ({result.cell.text}) has other keys than its plan")
        if planned[key].knowledge != result.knowledge:
            raise UserError(f"'{path}': result '{key}' ({result.cell.text}) knows something else than its plan says")
        for fault in faults(result, outcomes, plan.budget):
            raise UserError(f"'{path}': result '{key}' ({result.cell.text}) cannot be true: {fault}")
    return Contents(plan, results)


def _stored(path: Path, name: str, members: Mapping[str, bytes]) -> Stored:
    key = key_of(name, "json")
    where = f"'{path}': '{name}'"
    try:
        schema = json.loads(members[name])["schema_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{where} is no result; export the run again") from error
    if schema not in range(1, SCHEMA_VERSION + 1):
        raise UserError(f"{where} is of schema version {schema} and this clipdefense reads 1 to {SCHEMA_VERSION}")
    try:
        result = Result.model_validate_json(members[name])
    except ValidationError as error:
        raise UserError(f"{where} is not a result of this version: {_first(error)}") from error
    if result.key != key:
        raise UserError(f"{where} calls itself '{result.key}'; export the run again")
    packed = members.get(f"results/{key}.npz")
    return result, None if packed is None else _outcomes(f"'{path}': 'results/{key}.npz'", packed)


def _outcomes(where: str, packed: bytes) -> Outcomes:
    try:
        if unpacked_size(packed) > MEMBER_BYTES:
            raise UserError(f"{where} unpacks to more than {MEMBER_BYTES >> 20} MiB; it is refused")
        with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
            return Outcomes.unpacked({name: arrays[name] for name in arrays.files})
    except (ValueError, KeyError, TypeError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{where} holds no outcomes ({error}); export the run again") from error


def members_of(contents: Contents) -> dict[str, bytes]:
    """The files of an archive by name, in a fixed order."""
    members = {PLAN: contents.plan.model_dump_json(indent=1).encode()}
    for key, (result, outcomes) in sorted(contents.results.items()):
        members[f"results/{key}.json"] = result.model_dump_json(indent=1).encode()
        if outcomes is not None:
            buffer = io.BytesIO()
            np.savez_compressed(buffer, **outcomes.packed())  # type: ignore[arg-type]
            members[f"results/{key}.npz"] = buffer.getvalue()
    return members


def _first(error: ValidationError) -> str:
    """The first thing that is wrong, with its place."""
    found = error.errors()[0]
    place = ".".join(str(part) for part in found["loc"])
    return f"{place}: {found['msg'].lower()}" if place else str(found["msg"]).lower()
