"""From a zip file into a run folder: all of it or nothing, and never over a result that says something else."""

from __future__ import annotations

import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from benchmark.agreement import same_finding, same_numbers, same_outcomes
from benchmark.errors import UserError
from benchmark.exchange.contents import Contents, read_contents
from benchmark.files import cannot_write
from benchmark.findings import Finding
from benchmark.runs import Plan, RunFolder

_NAME = re.compile(r"\w[\w-]{0,99}")


class Imported(NamedTuple):
    """Where results and findings went, how many are new there, how many were there already."""

    folder: RunFolder
    added: int
    present: int


def import_results(path: Path, runs: Path, name: str = "") -> Imported:
    """Takes an exported run into ``runs / NAME``.

    Args:
        path: the exported file.
        runs: folder of run folders.
        name: of the run folder; the matrix's where it is empty.

    Raises:
        UserError: the file is not to be trusted, or contradicts what is there; nothing was written.
        StorageError: the disk is full; nothing stays.
    """
    contents = read_contents(path)
    name = name or contents.plan.matrix
    if _NAME.fullmatch(name) is None:
        raise UserError(f"'{name}' is no name for a run folder; choose one with --as")
    folder = RunFolder(runs / name)
    _compare_plans(contents.plan, folder)
    new = [key for key in contents.results if not _is_there(folder, contents, key)]
    found = [key for key, finding in contents.findings.items() if not _is_found(folder, finding)]
    _move_in(folder, contents, [*new, *found])
    added = len(new) + len(found)
    return Imported(folder, added, len(contents.results) + len(contents.findings) - added)


def _compare_plans(plan: Plan, folder: RunFolder) -> None:
    """A plan that is there already must hold every cell of the imported one, so that none of its results is lost."""
    if not (folder.path / "plan.json").is_file():
        return
    there = folder.plan()
    known = {cell.key for cell in there.cells} | {study.key for study in there.studies}
    strange = [cell.cell.text for cell in plan.cells if cell.key not in known]
    strange += [study.study.text for study in plan.studies if study.key not in known]
    if strange or there.budget != plan.budget:
        what = f"it lacks {strange[0]} under this key" if strange else "it has another budget"
        raise UserError(
            f"the plan in '{folder.path}' is another one ({what}); import under another name with --as NAME"
        )


def _is_there(folder: RunFolder, contents: Contents, key: str) -> bool:
    """Whether an equal result is there.

    Raises:
        UserError: a different or a damaged one is.
    """
    files = [folder.files / f"{key}.{kind}" for kind in ("json", "npz")]
    if not any(file.exists() for file in files):
        return False
    result, outcomes = contents.results[key]
    where = f"'{folder.files / key}.json' ({result.cell.text})"
    there = folder.whole(key)
    if there is None:
        raise UserError(f"{where} is there and damaged; remove it and import again")
    if not same_numbers(there, result) or not same_outcomes(folder.outcomes(key), outcomes):
        raise UserError(f"{where} is there with other numbers and stays; import under another name with --as NAME")
    return True


def _is_found(folder: RunFolder, finding: Finding) -> bool:
    """Whether an equal finding is there.

    Raises:
        UserError: a different or a damaged one is.
    """
    file = folder.findings.files / f"{finding.key}.json"
    if not file.exists():
        return False
    there = folder.findings.read(finding.key)
    if there is None or not same_finding(there, finding):
        raise UserError(
            f"'{file}' ({finding.study.text}) is there, damaged or with other values, and stays; import under another "
            "name with --as NAME"
        )
    return True


def _move_in(folder: RunFolder, contents: Contents, keys: list[str]) -> None:
    """Writes everything beside the folder first, then moves it in; what was moved leaves again if the rest cannot."""
    try:
        folder.path.parent.mkdir(parents=True, exist_ok=True)
        staging = RunFolder(Path(tempfile.mkdtemp(dir=folder.path.parent, prefix=".importing-")))
    except OSError as error:
        raise cannot_write(folder.path, error, "choose another folder with --runs") from error
    moved: list[Path] = []
    try:
        for key in keys:
            if key in contents.findings:
                staging.findings.write(contents.findings[key])
            else:
                staging.write(*contents.results[key])
        staging.write_plan(contents.plan)
        for file in _in_order(staging):
            target = folder.path / file.relative_to(staging.path)
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                moved.append(target)
                file.rename(target)
    except BaseException as error:
        for target in moved:
            target.unlink(missing_ok=True)
        for empty in (folder.files, folder.findings.files, folder.path):
            with suppress(OSError):
                empty.rmdir()
        if isinstance(error, OSError):
            raise cannot_write(folder.path, error, "free space or choose another folder with --runs") from error
        raise
    finally:
        shutil.rmtree(staging.path, ignore_errors=True)


def _in_order(folder: RunFolder) -> list[Path]:
    """Outcomes before their results, the plan last, so that whatever is there is complete."""
    names = ("results/*.npz", "results/*.json", "findings/*.json", "plan.json")
    return [path for name in names for path in sorted(folder.path.glob(name))]
