"""From a run folder to a zip file that another machine can take in."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from benchmark.errors import ClipdefenseError
from benchmark.exchange.archive import write_archive
from benchmark.exchange.contents import Contents, Stored, members_of
from benchmark.exchange.plausibility import faults
from benchmark.findings import Finding
from benchmark.progress import Progress, Silent
from benchmark.results import Result
from benchmark.runs import RunFolder

Kind = TypeVar("Kind", Result, Finding)


class Exported(NamedTuple):
    """How many results and findings went into a file, and how many cells and studies of the plan have none."""

    results: int
    findings: int
    missing: int


def export_results(folder: RunFolder, path: Path, progress: Progress | None = None) -> Exported:
    """Writes plan, results and outcomes of a run into one file.

    Raises:
        UserError: there is no run, or there is such a file already.
        ClipdefenseError: a result cannot be true, so that nobody could import it.
        StorageError: the disk is full.
    """
    plan = folder.plan()
    results: dict[str, Stored] = {}
    with (progress or Silent()).task("reading results", len(plan.cells)) as advance:
        for planned in plan.cells:
            if (result := folder.whole(planned.key)) is not None:
                outcomes = folder.outcomes(planned.key) if result.status == "ok" else None
                for fault in faults(result, outcomes, plan.budget):
                    raise ClipdefenseError(f"result '{planned.key}' ({planned.cell.text}) cannot be true: {fault}")
                results[planned.key] = portable(result), outcomes
            advance(1)
    read = [folder.findings.read(study.key) for study in plan.studies]
    findings = {finding.key: portable(finding) for finding in read if finding is not None}
    write_archive(path, members_of(Contents(plan, results, findings)))
    missing = len(plan.cells) - len(results) + len(plan.studies) - len(findings)
    return Exported(len(results), len(findings), missing)


def portable(record: Kind) -> Kind:
    """The record without places of the machine that computed it: no traceback, and of absolute paths the last part."""
    return record.model_copy(update={"traceback": "", "resolved": _placeless(record.resolved)})


def _placeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _placeless(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_placeless(item) for item in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value
