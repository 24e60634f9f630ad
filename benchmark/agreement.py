"""Whether two computations of a cell agree: bit for bit, or within what rounding may do to a rate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from benchmark.findings import Finding
from benchmark.picking import VICTIM
from benchmark.results import Counts, Measured, Outcomes, Result

TOLERANCE = 0.02
"""Allowed difference of a rate over 1,125 images or more between two machines.

Rounding moves an image only where it lies next to a decision boundary. If one image in twenty does and each falls to
either side by chance, the difference of two rates over n images has a standard deviation of at most sqrt(0.05 / n);
three of these are 0.02 at n = 1,125. It is a bound on what rounding does to single images, not on what it does to a
training run that is chaotic.
"""
_NEAR_A_BOUNDARY = 0.05
_INCIDENTAL: dict[str, Any] = {
    "provenance": True,
    "cost": True,
    "resolved": True,
    "traceback": True,
    "points": {"__all__": {"seconds"}},
}
_OUTCOMES = ("validation", "test", "validation_other", "test_other")


def tolerance(images: int) -> float:
    """Allowed difference of a rate over a number of images, at least ``TOLERANCE``."""
    return max(TOLERANCE, 3 * math.sqrt(_NEAR_A_BOUNDARY / max(1, images)))


def same_numbers(first: Result, second: Result, *, across_versions: bool = False) -> bool:
    """Whether two results say the same of a cell; clocks, memory, origin and where data lay do not count.

    Args:
        first: one result.
        second: the other.
        across_versions: whether keys, and what was known and resolved under them, may differ too.
    """
    versions = {"key": True, "knowledge": True, "metric_version": True} if across_versions else {}
    texts = {one.model_dump_json(exclude={**_INCIDENTAL, **versions}) for one in (first, second)}
    return len(texts) == 1


def same_outcomes(first: Outcomes | None, second: Outcomes | None) -> bool:
    """Whether the per-image outcomes are the same bits; true where neither has any."""
    if first is None or second is None:
        return first is second
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in _OUTCOMES)


def same_finding(first: Finding, second: Finding) -> bool:
    """Whether two findings say the same of a study; clocks and origin do not count."""
    incidental = {"provenance", "resolved", "traceback", "seconds"}
    return len({one.model_dump_json(exclude=incidental) for one in (first, second)}) == 1


class Difference(NamedTuple):
    """How far a rate moved, in [0, 1], what it may move by, and which one it is."""

    size: float
    allowed: float
    name: str

    @property
    def excess(self) -> float:
        """Above 0 where it moved too far."""
        return self.size - self.allowed


def differences(before: Result, after: Result) -> Iterator[Difference]:
    """How far each rate of a cell moved between two computations with the same number of points.

    The victim, every point, both splits, and the blind pick, whose rates may move because another point was picked.
    """
    counts = before.counts
    if counts is None or before.victim is None or after.victim is None:
        return
    yield from _measured(before.victim, after.victim, counts, "test", "of the victim")
    for number, (one, other) in enumerate(zip(before.points, after.points, strict=True)):
        for split in ("validation", "test"):
            yield from _measured(getattr(one, split), getattr(other, split), counts, split, f"at point {number}")
        if one.general_accuracy is not None and other.general_accuracy is not None:
            yield _difference(one, other, "general_accuracy", counts.general, f"at point {number}")
    yield from _measured(at_pick(before), at_pick(after), counts, "test", "at the blind pick")
    if before.rebound is not None and after.rebound is not None:
        yield _difference(before, after, "rebound", counts.test_other, "of the blind pick")


def at_pick(result: Result) -> Measured:
    """The test split at the blind pick; the victim where that is the pick.

    Raises:
        ValueError: the result has no measurements.
    """
    if result.picks is None or result.victim is None:
        raise ValueError(f"'{result.cell.text}' was not measured")
    return result.victim if result.picks.blind == VICTIM else result.points[result.picks.blind].test


def _measured(before: Measured, after: Measured, counts: Counts, split: str, where: str) -> Iterator[Difference]:
    everything, other = getattr(counts, split), getattr(counts, f"{split}_other")
    for name, images in (
        ("clean_accuracy", everything),
        ("attack_success_rate", other),
        ("robust_accuracy", other),
        ("target_recall", everything - other),
    ):
        yield _difference(before, after, name, images, f"({split}) {where}")


def _difference(before: object, after: object, name: str, images: int, where: str) -> Difference:
    one, two = getattr(before, name), getattr(after, name)
    same = one == two or (math.isnan(one) and math.isnan(two))
    size = 0.0 if same else abs(one - two)
    return Difference(math.inf if math.isnan(size) else size, tolerance(images), f"{name} {where}")
