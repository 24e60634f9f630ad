"""What is planned and done, as tables: cells, stages, results and holes; run folders only, never a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Group

from benchmark.console import table
from benchmark.findings import Finding
from benchmark.results import Result
from benchmark.runs import RunFolder


def result_line(result: Result | Finding) -> str:
    """A finished cell or study in one line."""
    if isinstance(result, Finding):
        return f"{result.status:8}{result.study.text}: {result.reason or f'{result.seconds:.1f} s'}"
    text = f"{result.status:8}{result.cell.text}"
    if result.status != "ok" or result.picks is None or result.victim is None:
        return f"{text}: {result.reason}"
    picked = result.points[result.picks.blind].test if result.picks.blind >= 0 else result.victim
    flag = "" if result.picks.blind >= 0 else " (its first point exceeds the budget: the victim itself)"
    return (
        f"{text}: success {result.victim.attack_success_rate:.3f} -> {picked.attack_success_rate:.3f}, "
        f"clean {result.victim.clean_accuracy:.3f} -> {picked.clean_accuracy:.3f}, "
        f"{result.cost.seconds:.1f} s{flag}"
    )


def plan_summary(jobs: Sequence[Any], studies: Sequence[Any], folder: RunFolder, store: Any) -> Group:
    """Cells and studies by status, and which stages are cached and which have to be computed."""
    stages: dict[str, set[str]] = {}
    for job in jobs:
        for stage, key in job.keys.items():
            if stage != "victim" or (job.cell.victim != "clean" and job.imported is None):
                stages.setdefault(stage, set()).add(key)
    stages.pop("defended", None)
    for study in studies:
        for stage, key in study.keys.items():
            stages.setdefault("victim" if stage == "benign" else stage, set()).add(key)
    rows = []
    for stage, keys in stages.items():
        cached = sum(store.has(stage, key) or (stage == "measured" and _is_done(folder, key)) for key in keys)
        rows.append((stage, len(keys), cached, len(keys) - cached))
    cells = [
        (job.cell.text, "skipped: " + job.skip if job.skip else "done" if _is_done(folder, job.key) else "to compute")
        for job in jobs
    ]
    cells += [
        (study.id.text, "skipped: " + study.skip if study.skip else "done" if found else "to compute")
        for study in studies
        for found in [(folder.findings.files / f"{study.key}.json").is_file()]
    ]
    return Group(table(("cell", "state"), cells), "", table(("stage", "artifacts", "cached", "to compute"), rows))


def _is_done(folder: RunFolder, key: str) -> bool:
    return (folder.files / f"{key}.json").is_file()


def status_summary(folder: RunFolder) -> Group:
    """Counts by status, and every failed, skipped or missing cell with its reason."""
    plan = folder.plan()
    counts: Counter[str] = Counter()
    holes = []
    cells = [(planned.cell.text, folder.result(planned.key)) for planned in plan.cells]
    studies = [(planned.study.text, folder.findings.read(planned.key)) for planned in plan.studies]
    for text, found in (*cells, *studies):
        state = found.status if found is not None else "missing"
        counts[state] += 1
        if found is None or found.status != "ok":
            holes.append((text, state, found.reason if found is not None else "not computed yet"))
    parts: list[Any] = [table(("status", "cells"), sorted(counts.items()))]
    if holes:
        parts += ["", table(("cell", "status", "reason"), holes)]
    return Group(*parts)
