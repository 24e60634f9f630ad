"""The rules of an inverter: an attack estimated from a model that stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch

from benchmark.contract import trial
from benchmark.contract.checks import Check, PluginChecks, blaming, called, checks_of, governed, hurried, require
from benchmark.contract.defenses import NeedsChecks, declared
from benchmark.contract.state import changes, generators_seeded, generators_state, model_state, resources_state
from benchmark.contract.triggers import TriggerChecks, require_keepable
from benchmark.types import Attack, Inverter


@dataclass(frozen=True)
class Estimate:
    """What one inversion returned, and the names of what it changed."""

    attack: Attack
    model_changes: str
    resource_changes: str
    generator_changes: str


def _invert(who: str, inverter: Inverter, architecture: str, seed: int) -> Estimate:
    model, context = trial.suspect(architecture), trial.context(declared(inverter), architecture)
    before, resources = model_state(model), resources_state(context.resources)
    with generators_seeded(seed):
        generators = generators_state()
        with blaming(who, f"inverting '{architecture}'"):
            attack = inverter(model, context)
        moved = changes(generators, generators_state())
    changed = changes(before, model_state(model))
    return Estimate(attack, changed, changes(resources, resources_state(context.resources)), moved)


class InverterChecks:
    """All that must hold of a call.

    Args:
        who: how sentences call the inverter.
        invert: hands out the estimate for an architecture and a seed of the global generators.
        architectures: the tiny models that the inverter is for; the first one serves most checks.
    """

    def __init__(self, who: str, invert: Callable[[str, int], Estimate], architectures: tuple[str, ...]) -> None:
        self.who, self.invert, self.architectures = who, invert, architectures

    def returns_an_attack(self) -> None:
        for architecture in self.architectures:
            found = self.invert(architecture, 0).attack
            kind = type(found).__name__
            require(isinstance(found, Attack), f"{self.who} returned {kind}; return an object with target and trigger")
            names = ", ".join(trial.CLASS_NAMES)
            known = found.target in trial.CLASS_NAMES
            require(known, f"{self.who} names the target {found.target!r}, which is no class ({names})")

    def estimate_can_be_kept(self) -> None:
        require_keepable(f"{self.who}, its estimate", self.invert(self.architectures[0], 0).attack)

    def estimate_keeps_the_trigger_rules(self) -> None:
        attack = self.invert(self.architectures[0], 0).attack
        who = f"{self.who}, its estimate"
        for check in checks_of(TriggerChecks(who, lambda: attack, (trial.SIZE,))):
            check.run()

    def leaves_the_model(self) -> None:
        changed = self.invert(self.architectures[0], 0).model_changes
        require(not changed, f"{self.who} changed {changed} of the model it was given; work on model.clone()")

    def leaves_its_resources(self) -> None:
        changed = self.invert(self.architectures[0], 0).resource_changes
        require(not changed, f"{self.who} changed {changed}, which others share; work on a copy")

    def is_seeded(self) -> None:
        images, ids = trial.images(7, trial.SIZE), trial.ids(7)
        first, second = (self.invert(self.architectures[0], seed).attack for seed in (0, 1))
        same = first.target == second.target and torch.equal(first.trigger(images, ids), second.trigger(images, ids))
        require(same, f"{self.who}: two equal inversions differ; draw from a generator seeded by context.seed")

    def leaves_global_generators(self) -> None:
        moved = self.invert(self.architectures[0], 0).generator_changes
        require(not moved, f"{self.who} moved {moved}; use a torch.Generator seeded by context.seed")


def inverter_checks(inverter: Inverter) -> list[Check]:
    """Every rule that the inverter must keep; it runs twice on one tiny model and once on others that it is for."""
    who = called("inverter", inverter)
    invert = cache(lambda architecture, seed: _invert(who, hurried(inverter), architecture, seed))
    architectures = trial.architectures_of(inverter) or tuple(trial.ARCHITECTURES.values())
    suites = [PluginChecks(who, inverter), NeedsChecks(who, inverter), InverterChecks(who, invert, architectures)]
    return governed(who, inverter, [check for suite in suites for check in checks_of(suite)])
