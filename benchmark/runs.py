"""A run folder: the plan of a matrix, and the results of its cells; all that status and report ever read.

runs/MATRIX/plan.json              the cells with their resolved keys
runs/MATRIX/results/KEY.json       one Result
runs/MATRIX/results/KEY.npz        its per-image outcomes
runs/MATRIX/findings/KEY.json      one Finding of a study
"""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from benchmark.errors import StorageError, UserError
from benchmark.files import beside
from benchmark.findings import Finding, StudyId
from benchmark.results import CellId, Outcomes, Result


class PlannedCell(BaseModel):
    """A cell and the keys of its stages; ``keys["measured"]`` names its result."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cell: CellId
    keys: dict[str, str]
    knowledge: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return self.keys["measured"]


class PlannedStudy(BaseModel):
    """A study and the keys of what it needs; the key under its own kind names its finding."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    study: StudyId
    keys: dict[str, str]

    @property
    def key(self) -> str:
        return self.keys[self.study.kind]


class Plan(BaseModel):
    """What a matrix asks for, resolved; ``held_out`` names the attacks that no defense may be tuned on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    matrix: str
    summary: str = ""
    budget: float = 2.0
    held_out: tuple[str, ...] = ()
    cells: tuple[PlannedCell, ...]
    studies: tuple[PlannedStudy, ...] = ()


def write_atomically(path: Path, data: bytes) -> None:
    """Writes through a temporary file and a rename, so that a reader sees all of it or nothing.

    Raises:
        StorageError: the disk is full or read-only.
    """
    temporary = beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise StorageError(f"cannot write '{path}': {error.strerror}; free space or choose another folder") from error


class ResultFiles:
    """A folder of results: KEY.json, and KEY.npz with its per-image outcomes where it has some."""

    def __init__(self, files: Path) -> None:
        self.files = files

    def write(self, result: Result, outcomes: Outcomes | None) -> None:
        """Outcomes first, so that a result that is there is complete."""
        if outcomes is not None:
            buffer = io.BytesIO()
            np.savez_compressed(buffer, **outcomes.packed())  # type: ignore[arg-type]
            write_atomically(self.files / f"{result.key}.npz", buffer.getvalue())
        write_atomically(self.files / f"{result.key}.json", result.model_dump_json(indent=1).encode())

    def result(self, key: str) -> Result | None:
        """The result of a key, or None where it is missing or damaged."""
        try:
            found = Result.model_validate_json((self.files / f"{key}.json").read_bytes())
        except (OSError, ValidationError):
            return None
        return found if found.key == key else None

    def outcomes(self, key: str) -> Outcomes | None:
        """The per-image outcomes of a key, or None where there are none."""
        try:
            with np.load(self.files / f"{key}.npz") as arrays:
                return Outcomes.unpacked({name: arrays[name] for name in arrays.files})
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError):
            return None

    def whole(self, key: str) -> Result | None:
        """The result, or None where it, or the outcomes that belong to it, are missing or damaged."""
        found = self.result(key)
        if found is not None and found.status == "ok" and self.outcomes(key) is None:
            return None
        return found


class FindingFiles:
    """A folder of findings, one KEY.json each."""

    def __init__(self, files: Path) -> None:
        self.files = files

    def write(self, finding: Finding) -> None:
        write_atomically(self.files / f"{finding.key}.json", finding.model_dump_json(indent=1).encode())

    def read(self, key: str) -> Finding | None:
        """The finding of a key, or None where it is missing or damaged."""
        try:
            found = Finding.model_validate_json((self.files / f"{key}.json").read_bytes())
        except (OSError, ValidationError):
            return None
        return found if found.key == key else None


class RunFolder(ResultFiles):
    """One run folder: a plan, the results of its cells, and the findings of its studies."""

    def __init__(self, path: Path) -> None:
        super().__init__(path / "results")
        self.path, self.findings = path, FindingFiles(path / "findings")

    @property
    def report(self) -> Path:
        return self.path / "report"

    def write_plan(self, plan: Plan) -> None:
        write_atomically(self.path / "plan.json", plan.model_dump_json(indent=1).encode())

    def plan(self) -> Plan:
        """The plan of the last ``plan`` or ``run``.

        Raises:
            UserError: there is none, or it is damaged.
        """
        path = self.path / "plan.json"
        if not path.is_file():
            raise UserError(f"there is no run in '{self.path}'; start one with 'clipdefense run {self.path.name}'")
        try:
            return Plan.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise UserError(f"'{path}' is not a plan of this version; make it anew with 'clipdefense plan'") from error
