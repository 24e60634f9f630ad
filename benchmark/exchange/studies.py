"""The findings of an archive, looked at like its results: they belong to its plan and follow from their own scores."""

from __future__ import annotations

import binascii
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmark.errors import UserError
from benchmark.exchange.archive import key_of
from benchmark.exchange.parsing import parsed
from benchmark.findings import FINDING_VERSION, Finding
from benchmark.runs import Plan
from benchmark.separation import separation, unpacked

RATES = ("auroc", "auprc", "fpr_at_95_tpr", "base_rate", "true_positive_rate", "false_positive_rate")
_SLACK = 1e-3
"""Scores are kept as 32-bit floats, which may tie what was apart."""


def read_findings(path: Path, plan: Plan, members: Mapping[str, bytes]) -> dict[str, Finding]:
    """The findings of an archive's studies by key.

    Raises:
        UserError: one is damaged, foreign, or belongs to no study of the plan.
    """
    planned = {study.key: study.study for study in plan.studies}
    found: dict[str, Finding] = {}
    for name in sorted(members):
        if (key := key_of(name, "finding")) is None:
            continue
        finding = parsed(Finding, f"'{path}': '{name}'", members[name], FINDING_VERSION)
        if finding.key != key or planned.get(key) != finding.study:
            raise UserError(
                f"'{path}': finding '{key}' ({finding.study.text}) is not in its plan; export the run again"
            )
        if finding.status != "ok" and (finding.values or not finding.reason):
            raise UserError(f"'{path}': finding '{key}' ({finding.study.text}) is {finding.status} and has values")
        for fault in _faults(finding):
            raise UserError(f"'{path}': finding '{key}' ({finding.study.text}) cannot be true: {fault}")
        found[key] = finding
    return found


def _faults(finding: Finding) -> Iterator[str]:
    """What is wrong with what a detector found, each as the rest of a sentence."""
    values = finding.values
    for name in RATES:
        rate = values.get(name, 0.0)
        if not isinstance(rate, int | float) or rate < 0 or rate > 1:
            yield f"{name} is {rate!r}, outside of 0 to 1"
    scores = values.get("scores", {})
    try:
        kept = [unpacked(scores[side]) for side in ("suspicious", "others") if side in scores]
    except (TypeError, ValueError, binascii.Error):
        yield "its scores cannot be read"
        return
    if len(kept) == 2:
        for name, rate in separation(*kept).items():
            said = values.get(name, rate)
            if math.isnan(said) != math.isnan(rate) or abs(said - rate) > _SLACK:
                yield f"{name} is {said:g} and its scores say {rate:g}"
