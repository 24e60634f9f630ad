"""Stages 3 and 4: a defense's points, each measured as it is yielded, so that only picked weights are ever kept.

The defense's clock stops while a point is measured.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch

from benchmark.errors import ClipdefenseError, Diverged, blaming
from benchmark.evaluation import Measurement, Probe, accuracy, measure
from benchmark.metering import PeakMemory, synchronised
from benchmark.metrics import defense_effectiveness, retained_accuracy
from benchmark.models import Clip
from benchmark.picking import VICTIM, loss_bound, oracle_pick
from benchmark.results import Measured, Outcomes, PointRecord, Recall
from benchmark.retrieval import Gallery, recall
from benchmark.types import Context, Defense, Pairs


@dataclass(frozen=True, kw_only=True)
class General:
    """One of the matrix's other data sets."""

    pairs: Pairs
    templates: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Examination:
    """Everything that a model is measured on in one cell."""

    validation: Probe
    test: Probe
    general: tuple[General, ...] = ()
    retrieval: tuple[Gallery, ...] = ()
    precision: str = "float32"

    def of(self, model: Clip) -> Examined:
        """Measures a model on all of it."""
        others = [accuracy(model, other.pairs, other.templates, self.precision) for other in self.general]
        return Examined(
            validation=measure(model, self.validation, self.precision),
            test=measure(model, self.test, self.precision),
            general=float(np.mean(others)) if others else None,
            retrieval=tuple(recall(model, gallery, self.precision) for gallery in self.retrieval),
        )


@dataclass(frozen=True, kw_only=True)
class Examined:
    """What was measured of one model."""

    validation: Measurement
    test: Measurement
    general: float | None
    retrieval: tuple[Recall, ...] = ()


class Examiner(Protocol):
    """Measures models, always on the same."""

    def of(self, model: Clip) -> Examined: ...


@dataclass(kw_only=True)
class Curve:
    """A measured trade-off curve, the picked models, and what it cost."""

    points: list[PointRecord] = field(default_factory=list)
    examined: list[Examined] = field(default_factory=list)
    blind: int = VICTIM
    oracle: int = VICTIM
    blind_model: Clip | None = None
    oracle_model: Clip | None = None
    seconds: float = 0.0
    measuring_seconds: float = 0.0
    peak_memory: int = 0


def measured_record(measurement: Measurement) -> Measured:
    """A measurement as it stands in a Result."""
    return Measured(**measurement.metrics, route_success=measurement.route_success)


def checked_points(points: Iterable[Any], name: str) -> Iterator[tuple[float, Clip]]:
    """The defense's points, refused with a sentence where they break the contract.

    Raises:
        ClipdefenseError: no point, a point of the wrong form, or strengths that do not increase strictly.
        Diverged: a model with weights that are not finite.
    """
    last = -math.inf
    try:
        iterator = iter(points)
    except TypeError as error:
        raise ClipdefenseError(f"defense '{name}' must yield points (strength, model), got {points!r}") from error
    for point in iterator:
        if not (isinstance(point, tuple) and len(point) == 2 and isinstance(point[1], Clip)):
            raise ClipdefenseError(f"defense '{name}' must yield (strength, model), got {type(point).__name__}")
        strength = float(point[0])
        if not (math.isfinite(strength) and strength > last):
            raise ClipdefenseError(f"defense '{name}': strength {strength} does not exceed the one before, {last}")
        for parameter, value in point[1].weights().items():
            if value.is_floating_point() and not torch.isfinite(value).all():
                raise Diverged(f"defense '{name}': weight '{parameter}' is not finite at strength {strength}")
        last = strength
        yield strength, point[1]
    if last == -math.inf:
        raise ClipdefenseError(f"defense '{name}' yielded no point; yield at least one (strength, model)")


class _Climb:
    """Walks up a defense's points and keeps the picked models only."""

    def __init__(self, victim: Clip, before: Examined, examination: Examiner, budget: float) -> None:
        self.before, self.examination, self.budget = before, examination, budget
        self.curve = Curve(blind_model=victim, oracle_model=victim)
        self.within = True

    def add(self, strength: float, model: Clip) -> None:
        started = time.perf_counter()
        after = self.examination.of(model)
        self.curve.examined.append(after)
        self.curve.points.append(self._record(strength, after))
        self._pick(model)
        self.curve.measuring_seconds += time.perf_counter() - started

    def _record(self, strength: float, after: Examined) -> PointRecord:
        before, rates = self.before.test.metrics, after.test.metrics
        plain, corrected = retained_accuracy(before, rates, after.test.predictions.classes)
        return PointRecord(
            strength=strength,
            seconds=self.curve.seconds,
            validation=measured_record(after.validation),
            test=measured_record(after.test),
            general_accuracy=after.general,
            defense_effectiveness=defense_effectiveness(before, rates),
            retained_accuracy=plain,
            retained_accuracy_corrected=corrected,
            retrieval=after.retrieval,
        )

    def _pick(self, model: Clip) -> None:
        """The rules of ``benchmark.picking``, applied as the points arrive."""
        curve, number = self.curve, len(self.curve.examined) - 1
        victim = self.before.validation.predictions.clean_right
        flags = [found.validation.predictions.clean_right for found in curve.examined]
        self.within = self.within and loss_bound(victim, flags[number]) <= self.budget / 100
        if self.within:
            curve.blind, curve.blind_model = number, model.clone()
        success = [found.validation.metrics["attack_success_rate"] for found in curve.examined]
        oracle = oracle_pick(victim, flags, success, self.budget)
        if oracle == number:
            curve.oracle_model = model
        curve.oracle = oracle


def _changed(before: Clip, after: Clip) -> str:
    """The first weight of a model that is not as it was, or an empty text."""
    found = after.weights()
    return next((key for key, value in before.weights().items() if key not in found or not value.equal(found[key])), "")


def climb(
    victim: Clip,
    before: Examined,
    defense: Defense,
    context: Context,
    examination: Examiner,
    *,
    budget: float,
    name: str,
) -> Curve:
    """Runs a defense, measures every point as it comes, and applies the picking rules.

    Args:
        victim: the suspect model; never changed.
        before: what was measured of it.
        defense: the plugin.
        context: its resources.
        examination: what every point is measured on.
        budget: allowed loss in points of clean accuracy.
        name: the defense's label, for errors.

    Raises:
        ClipdefenseError: the defense broke its contract, or its model is not finite.
    """
    walk, given = _Climb(victim, before, examination, budget), victim.clone()
    with PeakMemory(context.device) as memory, blaming(f"defense '{name}'"):
        points = checked_points(defense(given, context), name)
        while True:
            started = time.perf_counter()
            point = next(points, None)
            synchronised(context.device)
            walk.curve.seconds += time.perf_counter() - started
            if point is None:
                break
            walk.add(*point)
    if changed := _changed(victim, given):
        raise ClipdefenseError(f"defense '{name}' changed '{changed}' of the model it was given; work on model.clone()")
    walk.curve.peak_memory = memory.bytes
    return walk.curve


def outcomes_of(before: Examined, curve: Curve) -> Outcomes:
    """Per-image outcomes of the victim and of every point, on both splits."""
    everything = [before, *curve.examined]

    def bits(split: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
        found = [getattr(examined, split).predictions for examined in everything]
        return np.stack([np.stack([p.clean_right, p.success, p.robust_right]) for p in found])

    return Outcomes(
        validation=bits("validation"),
        test=bits("test"),
        validation_other=before.validation.predictions.other,
        test_other=before.test.predictions.other,
    )
