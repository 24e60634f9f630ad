"""The rules of a detector: finite scores of pairs, images or a model, from declared resources alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from benchmark.contract import trial
from benchmark.contract.checks import (
    Check,
    ContractViolation,
    PluginChecks,
    called,
    checks_of,
    governed,
    hurried,
    require,
)
from benchmark.contract.defenses import NeedsChecks, declared
from benchmark.contract.state import changes, generators_seeded, generators_state, model_state, resources_state
from benchmark.detectors import scored_by
from benchmark.errors import ResourceNotDeclared, UserError

COUNT = 12
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Scoring:
    """What one call returned, and the names of what it changed."""

    scores: Any
    model_changes: str
    input_changes: str
    generator_changes: str


Run = Callable[..., Scoring]
"""An architecture, a seed of the global generators, and rows of what is scored or None for all -> a scoring."""


def _scored(who: str, detector: Any, *, strict: bool = True) -> str:
    """What the detector scores; where nobody can tell, a violation or an empty text."""
    try:
        return scored_by(detector)
    except UserError as error:
        if strict:
            raise ContractViolation(f"{who}: {error}") from error
        return ""


def _input(scored: str, rows: tuple[int, ...] | None) -> tuple[Any, ...]:
    """What stands between the model and the context in the call."""
    chosen = torch.arange(trial.PAIRS if scored == "pairs" else COUNT) if rows is None else torch.tensor(rows)
    if scored == "pairs":
        context = trial.context({"training_pairs"}, trial.ARCHITECTURES["resnet"])
        return (context.training_pairs.take(chosen),)
    return (trial.images(COUNT, trial.SIZE)[chosen],) if scored == "images" else ()


def _score(who: str, detector: Any, architecture: str, seed: int, rows: tuple[int, ...] | None = None) -> Scoring:
    given = _input(_scored(who, detector), rows)
    model, context = trial.suspect(architecture), trial.context(declared(detector), architecture)
    seen = {**context.resources, "what it scores": given}
    before, resources = model_state(model), resources_state(seen)
    with generators_seeded(seed):
        generators = generators_state()
        try:
            scores = detector.score(model, *given, context)
        except ResourceNotDeclared as error:
            raise ContractViolation(f"{who}: {error}") from error
        except (Exception, SystemExit) as error:
            kind = type(error).__name__
            raise ContractViolation(f"{who}: score() on '{architecture}' raised {kind}: {error}") from error
        moved = changes(generators, generators_state())
    return Scoring(scores, changes(before, model_state(model)), changes(resources, resources_state(seen)), moved)


class DetectorChecks:
    """All that must hold of a call.

    Args:
        who: how sentences call the detector.
        detector: the plugin.
        run: hands out scorings.
        architectures: the tiny models that the detector is for; the first one serves most checks.
    """

    def __init__(self, who: str, detector: Any, run: Run, architectures: tuple[str, ...]) -> None:
        self.who, self.detector, self.run, self.architectures = who, detector, run, architectures

    def score_takes_what_it_scores(self) -> None:
        scored = _scored(self.who, self.detector)
        granted = scored != "pairs" or "training_pairs" in declared(self.detector)
        require(granted, f"{self.who} scores training pairs; add 'training_pairs' to its needs")

    def runs_with_declared_resources_alone(self) -> None:
        for architecture in self.architectures:
            self.run(architecture, 0)

    def scores_are_finite_numbers(self) -> None:
        expected = {"pairs": trial.PAIRS, "images": COUNT, "model": None}
        for architecture in self.architectures:
            scores = self.run(architecture, 0).scores
            count = expected[_scored(self.who, self.detector)]
            if count is None:
                fits = isinstance(scores, int | float) and not isinstance(scores, bool) and math.isfinite(scores)
                require(fits, f"{self.who}: score() returned {scores!r}; return a finite number")
                continue
            fits = isinstance(scores, Tensor) and scores.shape == (count,) and scores.is_floating_point()
            found = f"{scores.dtype} {tuple(scores.shape)}" if isinstance(scores, Tensor) else type(scores).__name__
            require(fits, f"{self.who}: score() returned {found} for {count} samples; return one float for each")
            finite = bool(torch.isfinite(scores).all())
            require(finite, f"{self.who}: score() returned numbers that are not finite; give those a large score")

    def is_seeded(self) -> None:
        first, second = (self.run(self.architectures[0], seed).scores for seed in (0, 1))
        tensors = isinstance(first, Tensor) and isinstance(second, Tensor)
        same = torch.equal(first, second) if tensors else first == second
        require(same, f"{self.who}: two equal calls differ; draw from a generator seeded by context.seed")

    def leaves_the_model(self) -> None:
        changed = self.run(self.architectures[0], 0).model_changes
        require(not changed, f"{self.who} changed {changed} of the model it was given; work on model.clone()")

    def leaves_its_resources(self) -> None:
        changed = self.run(self.architectures[0], 0).input_changes
        require(not changed, f"{self.who} changed {changed}, which others share; work on a copy")

    def leaves_global_generators(self) -> None:
        moved = self.run(self.architectures[0], 0).generator_changes
        require(not moved, f"{self.who} moved {moved}; use a torch.Generator seeded by context.seed")


class ImageChecks:
    """Images arrive in the pieces that memory allows, so that one must not be scored by its company."""

    def __init__(self, who: str, run: Run, architectures: tuple[str, ...]) -> None:
        self.who, self.run, self.architectures = who, run, architectures

    def scores_ignore_other_images(self) -> None:
        whole = self.run(self.architectures[0], 0).scores
        for rows in ((5,), (7, 2, 3)):
            part = self.run(self.architectures[0], 0, rows).scores
            close = torch.allclose(part, whole[list(rows)], rtol=TOLERANCE, atol=TOLERANCE)
            require(close, f"{self.who}: an image's score depends on the others of its batch; score each alone")


def detector_checks(detector: Any) -> list[Check]:
    """Every rule that the detector must keep; it runs twice on one tiny model and once on others that it is for."""
    who = called("detector", detector)
    quick = hurried(detector)
    run = cache(lambda architecture, seed, rows=None: _score(who, quick, architecture, seed, rows))
    architectures = trial.architectures_of(detector) or tuple(trial.ARCHITECTURES.values())
    suites: list[object] = [PluginChecks(who, detector), NeedsChecks(who, detector)]
    suites.append(DetectorChecks(who, detector, run, architectures))
    if _scored(who, detector, strict=False) == "images":
        suites.append(ImageChecks(who, run, architectures))
    return governed(who, detector, [check for suite in suites for check in checks_of(suite)])
