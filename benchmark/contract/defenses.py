"""The rules of a defense: points along an axis, from a model that stays as it is, with declared resources alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any

import torch

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
from benchmark.contract.state import (
    State,
    changes,
    generators_seeded,
    generators_state,
    model_state,
    resources_state,
)
from benchmark.errors import ResourceNotDeclared, did_you_mean
from benchmark.models import Clip
from benchmark.types import NEEDS, Defense


@dataclass
class Run:
    """What one run of a defense did; states and sentences only, no models.

    Attributes:
        strengths: as yielded, one per point.
        states: of every yielded model, once it was measured.
        flaws: why a yielded model cannot be measured, or an empty text.
        rewritten: what later work changed of a point that was already yielded.
        model_changes: what changed of the given model.
        resource_changes: what changed of the granted resources.
        generator_changes: which global generators moved.
        error: what the defense raised, or None.
    """

    strengths: list[Any] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    flaws: list[str] = field(default_factory=list)
    rewritten: str = ""
    model_changes: str = ""
    resource_changes: str = ""
    generator_changes: str = ""
    error: BaseException | None = None


def _flaw(item: Any) -> str:
    """Why a yielded item is no point that can be measured, or an empty text; measures it as the benchmark does."""
    if not isinstance(item, tuple) or len(item) != 2:
        return f"yielded {type(item).__name__}, not a pair of strength and model"
    model = item[1]
    if not isinstance(model, Clip):
        return f"yielded {type(model).__name__} as a model, not a Clip"
    for name, value in model.weights().items():
        if value.numel() and not torch.isfinite(torch.stack(value.aminmax())).all():
            return f"yielded a model whose '{name}' is not finite"
    with torch.no_grad():
        texts = model.classifier(trial.CLASS_NAMES, trial.TEMPLATES)
        pictures = model.encode_images(trial.images(4, trial.SIZE))
    if not torch.isfinite(pictures @ texts.T).all():
        return "yielded a model whose embeddings are not finite"
    return ""


def _collect(run: Run, points: Iterable[Any]) -> None:
    kept: list[tuple[int, Clip]] = []
    for item in points:
        run.flaws.append(_flaw(item))
        pair = item if isinstance(item, tuple) and len(item) == 2 else (math.nan, None)
        run.strengths.append(pair[0])
        run.states.append(model_state(pair[1]) if isinstance(pair[1], Clip) else {})
        if isinstance(pair[1], Clip):
            kept.append((len(run.states) - 1, pair[1]))
    for number, model in kept:
        changed = changes(run.states[number], model_state(model))
        if changed:
            run.rewritten = f"{changed} of point {number + 1}"


def run_defense(defense: Defense, architecture: str, seed: int) -> Run:
    """Runs the defense on a tiny suspect model, with the global generators at ``seed``, and notes what it did."""
    model, context = trial.suspect(architecture), trial.context(declared(defense), architecture)
    before, resources, run = model_state(model), resources_state(context.resources), Run()
    with generators_seeded(seed):
        generators = generators_state()
        try:
            _collect(run, defense(model, context))
        except (Exception, SystemExit) as error:
            run.error = error
        run.generator_changes = changes(generators, generators_state())
    run.model_changes = changes(before, model_state(model))
    run.resource_changes = changes(resources, resources_state(context.resources))
    return run


def declared(plugin: Any) -> frozenset[str]:
    needs: Any = getattr(plugin, "needs", frozenset())
    return frozenset() if isinstance(needs, str) else frozenset(needs) & NEEDS


class NeedsChecks:
    """What a plugin asks for is a set of resources that exist."""

    def __init__(self, who: str, plugin: object) -> None:
        self.who, self.plugin = who, plugin

    def needs_are_known(self) -> None:
        needs = getattr(self.plugin, "needs", None)
        found = isinstance(needs, frozenset | set)
        require(found, f"{self.who}: needs is {needs!r}; make it a frozenset of resource names")
        for need in sorted(needs or ()):
            require(need in NEEDS, f"{self.who}: needs '{need}', which does not exist; {did_you_mean(need, NEEDS)}")

    def architectures_are_known(self) -> None:
        declared = getattr(self.plugin, "architectures", frozenset(trial.ARCHITECTURES))
        known = isinstance(declared, frozenset | set) and bool(declared) and declared <= trial.ARCHITECTURES.keys()
        choices = ", ".join(trial.ARCHITECTURES)
        require(known, f"{self.who}: architectures is {declared!r}; make it a frozenset of {choices}, or leave it out")


class DefenseChecks:
    """All that must hold of a call.

    Args:
        who: how sentences call the defense.
        run: hands out the run for an architecture and a seed of the global generators.
        architectures: the tiny models that the defense is for; the first one serves most checks.
    """

    def __init__(self, who: str, run: Callable[[str, int], Run], architectures: tuple[str, ...]) -> None:
        self.who, self.architectures, self._run = who, architectures, run

    def _finished(self, architecture: str | None = None, seed: int = 0) -> Run:
        chosen = architecture or self.architectures[0]
        run = self._run(chosen, seed)
        if isinstance(run.error, ResourceNotDeclared):
            raise ContractViolation(f"{self.who}: {run.error}") from run.error
        if run.error is not None:
            kind = type(run.error).__name__
            raise ContractViolation(f"{self.who} on '{chosen}' raised {kind}: {run.error}") from run.error
        return run

    def runs_with_declared_resources_alone(self) -> None:
        for architecture in self.architectures:
            self._finished(architecture)

    def yields_points(self) -> None:
        for architecture in self.architectures:
            run = self._finished(architecture)
            require(bool(run.states), f"{self.who} yields nothing; yield one (strength, model) or more")
            for number, flaw in enumerate(run.flaws, start=1):
                require(not flaw, f"{self.who}, point {number}, {flaw}; yield (strength, Clip) with finite weights")

    def strengths_increase(self) -> None:
        strengths = self._finished().strengths
        numbers = all(isinstance(value, int | float) and math.isfinite(value) for value in strengths)
        rising = numbers and all(low < high for low, high in pairwise(strengths))
        require(rising, f"{self.who}: strengths are {strengths}; let them be finite and increase strictly")

    def leaves_the_model(self) -> None:
        changed = self._finished().model_changes
        require(not changed, f"{self.who} changed {changed} of the model it was given; work on model.clone()")

    def leaves_its_resources(self) -> None:
        changed = self._finished().resource_changes
        require(not changed, f"{self.who} changed {changed}, which other defenses share; work on a copy")

    def leaves_yielded_points(self) -> None:
        changed = self._finished().rewritten
        require(not changed, f"{self.who} changed {changed} after yielding it; yield an independent clone")

    def is_seeded(self) -> None:
        first, second = self._finished(seed=0), self._finished(seed=1)
        require(first.strengths == second.strengths, f"{self.who}: strengths differ between two equal runs")
        for number, (one, other) in enumerate(zip(first.states, second.states, strict=True), start=1):
            differing = changes(one, other)
            require(not differing, f"{self.who}: two runs differ in {differing} of point {number}; use context.seed")

    def leaves_global_generators(self) -> None:
        moved = self._finished().generator_changes
        require(not moved, f"{self.who} moved {moved}; use a torch.Generator seeded by context.seed")


def defense_checks(defense: Defense) -> list[Check]:
    """Every rule that the defense must keep; it runs twice on one tiny model and once on others that it is for."""
    who = called("defense", defense)
    run = cache(lambda architecture, seed: run_defense(hurried(defense), architecture, seed))
    architectures = trial.architectures_of(defense) or tuple(trial.ARCHITECTURES.values())
    suites = [PluginChecks(who, defense), NeedsChecks(who, defense), DefenseChecks(who, run, architectures)]
    return governed(who, defense, [check for suite in suites for check in checks_of(suite)])
