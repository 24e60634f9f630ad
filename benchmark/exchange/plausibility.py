"""What every honest result keeps: rates from 0 to 1, picks within its points, and rates that follow from outcomes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from benchmark.gate import judge
from benchmark.metrics import METRIC_VERSION
from benchmark.picking import VICTIM, blind_pick, oracle_pick
from benchmark.results import BITS, Counts, Measured, Outcomes, Result

_SIGNED = frozenset({"attack_success_rate_net", "trigger_shift"})
_SLACK = 1e-9
SEEDS = 2**63


def faults(result: Result, outcomes: Outcomes | None, budget: float) -> Iterator[str]:
    """What is wrong with a result, each as the rest of a sentence; nothing for an honest one.

    Args:
        result: one cell.
        outcomes: its per-image outcomes.
        budget: of the plan that it belongs to.
    """
    yield from _origin_faults(result)
    if result.status != "ok":
        yield from _hole_faults(result, outcomes)
    elif outcomes is None:
        yield "its per-image outcomes are missing"
    elif result.counts is None or result.victim is None or result.victim_validation is None or result.picks is None:
        yield "it is ok and lacks counts, picks or what was measured of its victim"
    elif not result.points:
        yield "it is ok and has no points"
    else:
        yield from _number_faults(result, result.counts)
        yield from _outcome_faults(result, outcomes, result.counts)
        yield from _pick_faults(result, outcomes, budget)
        yield from _gate_faults(result)


def _origin_faults(result: Result) -> Iterator[str]:
    seeds = result.provenance.seeds.values() if result.provenance is not None else ()
    if not all(0 <= seed < SEEDS for seed in seeds) or abs(result.cell.seed) >= SEEDS:
        yield f"a seed lies outside of 0 to {SEEDS - 1}"
    if not 1 <= result.metric_version <= METRIC_VERSION:
        yield f"metric version {result.metric_version} is not among 1 to {METRIC_VERSION}, which this clipdefense knows"
    if result.provenance is not None and result.provenance.keys.get("measured", result.key) != result.key:
        yield "its key is not the one of its origin"


def _hole_faults(result: Result, outcomes: Outcomes | None) -> Iterator[str]:
    if outcomes is not None or result.points or result.victim is not None or result.picks is not None:
        yield f"it is {result.status} and has numbers"
    if not result.reason:
        yield f"it is {result.status} and gives no reason"


def _number_faults(result: Result, counts: Counts) -> Iterator[str]:
    if result.classes < 2:
        yield f"it has {result.classes} classes"
    for split in ("validation", "test"):
        everything, other = getattr(counts, split), getattr(counts, f"{split}_other")
        if not 0 <= other <= everything or everything < 1:
            yield f"{other} of {everything} {split} images cannot be outside the target class"
    sizes = {"validation": counts.validation_other, "test": counts.test_other}
    for where, split, measured in measurements(result):
        for name, value in _rates_of(measured):
            low = -1.0 if name in _SIGNED else 0.0
            absent = math.isnan(value) and (sizes[split] == 0 or name == "target_recall")
            if not absent and not low <= value <= 1:
                yield f"{name} {where} is {value:g}, outside of {low:g} to 1"
    yield from _curve_faults(result)


def _rates_of(measured: Measured) -> Iterator[tuple[str, float]]:
    for name, value in measured:
        yield from ((name, one) for one in value) if isinstance(value, tuple) else [(name, value)]


def measurements(result: Result) -> Iterator[tuple[str, str, Measured]]:
    """Everything that was measured, with its place in words and its split."""
    single = (
        ("of the clean model", "test", result.clean),
        ("of the victim", "test", result.victim),
        ("of the victim", "validation", result.victim_validation),
    )
    yield from ((f"({split}) {where}", split, found) for where, split, found in single if found is not None)
    for number, point in enumerate(result.points):
        yield f"(validation) at point {number}", "validation", point.validation
        yield f"(test) at point {number}", "test", point.test


def _curve_faults(result: Result) -> Iterator[str]:
    if not all(math.isfinite(point.strength) for point in result.points) or any(
        after.strength <= before.strength for before, after in pairwise(result.points)
    ):
        yield "its strengths do not increase"
    if any(point.seconds < 0 for point in result.points) or any(value < 0 for _, value in result.cost):
        yield "its cost is below zero"
    shares = [result.victim_general_accuracy, result.rebound]
    for point in result.points:
        shares += [point.general_accuracy, point.defense_effectiveness]
    if any(share is not None and not 0 <= share <= 1 for share in shares):
        yield "general_accuracy, defense_effectiveness or rebound lies outside of 0 to 1"


def _outcome_faults(result: Result, outcomes: Outcomes, counts: Counts) -> Iterator[str]:
    for split in ("validation", "test"):
        bits, other = getattr(outcomes, split), getattr(outcomes, f"{split}_other")
        shape = (1 + len(result.points), len(BITS), getattr(counts, split))
        if bits.shape != shape or other.shape != shape[2:]:
            yield f"its {split} outcomes have the shape {bits.shape} instead of {shape}"
        elif int(other.sum()) != getattr(counts, f"{split}_other"):
            yield f"its {split} outcomes count {int(other.sum())} images outside the target class"
        else:
            yield from _rate_faults(result, bits, other, split)


def _rate_faults(result: Result, bits: NDArray[np.bool_], other: NDArray[np.bool_], split: str) -> Iterator[str]:
    """Rates against the bits that they are the means of; with several routes the target may change between points."""
    before = result.victim if split == "test" else result.victim_validation
    for row, measured in enumerate([before, *(getattr(point, split) for point in result.points)]):
        assert measured is not None
        clean, success, robust = bits[row]
        found = {"clean_accuracy": float(clean.mean())}
        if len(measured.route_success) < 2 and other.any():
            found["attack_success_rate"] = float(success[other].mean())
            found["robust_accuracy"] = float(robust[other].mean())
        for name, rate in found.items():
            if abs(getattr(measured, name) - rate) > _SLACK:
                where = "of the victim" if row == 0 else f"at point {row - 1}"
                yield f"{name} ({split}) {where} is {getattr(measured, name):g} and its outcomes say {rate:g}"


def _pick_faults(result: Result, outcomes: Outcomes, budget: float) -> Iterator[str]:
    picks = result.picks
    assert picks is not None
    if not all(VICTIM <= pick < len(result.points) for pick in (picks.blind, picks.oracle)):
        yield f"a pick lies outside of its {len(result.points)} points"
    elif picks.budget != budget:
        yield f"its picks were made at a budget of {picks.budget:g} points and the plan's is {budget:g}"
    elif result.metric_version == METRIC_VERSION and outcomes.validation.shape[0] == 1 + len(result.points):
        before, after = outcomes.validation[0, 0], list(outcomes.validation[1:, 0])
        success = [point.validation.attack_success_rate for point in result.points]
        expected = (blind_pick(before, after, budget), oracle_pick(before, after, success, budget))
        if (picks.blind, picks.oracle) != expected:
            yield f"its picks are {picks.blind} and {picks.oracle}, and its validation outcomes give {expected}"


def _gate_faults(result: Result) -> Iterator[str]:
    """A victim is accepted by its own numbers alone."""
    gate, victim = result.gate, result.victim_validation
    if gate is None or victim is None or result.metric_version != METRIC_VERSION:
        return
    if (gate.attack_success_rate, gate.clean_accuracy) != (victim.attack_success_rate, victim.clean_accuracy):
        yield "its gate saw other rates than those of its victim"
    seen = judge(
        {"attack_success_rate": gate.attack_success_rate, "clean_accuracy": gate.clean_accuracy},
        {
            "attack_success_rate": gate.attack_success_rate_of_clean_model,
            "clean_accuracy": gate.clean_accuracy_of_clean_model,
        },
    )
    if seen.accepted != gate.accepted:
        yield f"its victim is {'accepted' if gate.accepted else 'refused'} against the rates that its gate saw"
