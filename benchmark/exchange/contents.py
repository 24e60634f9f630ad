"""A run in memory: its plan, and every result with its outcomes, as an archive's members and back."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from benchmark.errors import UserError
from benchmark.exchange.archive import MEMBER_BYTES, PLAN, key_of, read_archive, unpacked_size
from benchmark.exchange.parsing import first_fault, parsed
from benchmark.exchange.plausibility import faults
from benchmark.exchange.studies import read_findings
from benchmark.findings import Finding
from benchmark.results import SCHEMA_VERSION, Outcomes, Result
from benchmark.runs import Plan

Stored = tuple[Result, Outcomes | None]


@dataclass(frozen=True)
class Contents:
    """A plan, the results of its cells and the findings of its studies by key; what has none is a hole."""

    plan: Plan
    results: Mapping[str, Stored]
    findings: Mapping[str, Finding]


def read_contents(path: Path) -> Contents:
    """Reads an exported run and looks at everything in it.

    Raises:
        UserError: something in it is damaged, foreign, changed, or cannot be true.
    """
    members = read_archive(path)
    try:
        plan = Plan.model_validate_json(members.pop(PLAN))
    except ValidationError as error:
        raise UserError(f"'{path}': {PLAN} is not a plan of this version: {first_fault(error)}") from error
    results = {key: _stored(path, name, members) for name in sorted(members) if (key := key_of(name, "json"))}
    _check_results(path, plan, results, members)
    return Contents(plan, results, read_findings(path, plan, members))


def _check_results(path: Path, plan: Plan, results: Mapping[str, Stored], members: Mapping[str, bytes]) -> None:
    planned = {cell.key: cell for cell in plan.cells}
    if len(planned) < len(plan.cells):
        raise UserError(f"'{path}': two cells of its plan share a key; export the run again")
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


def _stored(path: Path, name: str, members: Mapping[str, bytes]) -> Stored:
    key = key_of(name, "json")
    result = parsed(Result, f"'{path}': '{name}'", members[name], SCHEMA_VERSION)
    if result.key != key:
        raise UserError(f"'{path}': '{name}' calls itself '{result.key}'; export the run again")
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
    for key, finding in sorted(contents.findings.items()):
        members[f"findings/{key}.json"] = finding.model_dump_json(indent=1).encode()
    return members
