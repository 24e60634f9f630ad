"""The rules of an attack: its trigger, what it poisons, and the optional members it has."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from benchmark.contract import trial
from benchmark.contract.checks import Check, PluginChecks, blaming, called, checks_of, governed, hurried, require
from benchmark.contract.state import changes, generators_seeded, generators_state, model_state, pairs_state
from benchmark.contract.triggers import SIZES, TriggerChecks, require_keepable
from benchmark.marking import marked
from benchmark.models import Clip
from benchmark.pixels import all_images, to_float
from benchmark.poisoning import poison, routes_of
from benchmark.types import Attack, Batch, Context, Fitted, Objective, Pairs, Prompted, Routed

POISONS = 5
TEXTS = ("a photo of a cat", "A ship.", "", "a photo of a cat", "two trees and a car")


def attack_checks(attack: Attack) -> list[Check]:
    """Every rule that the attack must keep, by what it is: a trigger alone, or also a poisoner, a fitted one and so on.

    Args:
        attack: an instance, with any parameters; a ``Fitted`` one is fitted to a tiny model before its trigger is
            tried.
    """
    who = called("attack", attack)
    given, attack = attack, hurried(attack)
    fitted = isinstance(attack, Fitted)
    fit = cache(lambda seed: _fit(who, attack, seed))
    ready = (lambda: fit(0)[0]) if fitted else (lambda: attack)
    sizes = (trial.SIZE,) if fitted else SIZES
    suites: list[object] = [PluginChecks(who, given), TriggerChecks(who, ready, sizes), PoisonChecks(who, ready)]
    if fitted:
        suites.append(FitChecks(who, fit))
    if isinstance(attack, Prompted):
        suites.append(PromptChecks(who, ready))
    if isinstance(attack, Routed):
        suites.append(RouteChecks(who, ready, sizes))
    if isinstance(attack, Objective):
        suites.append(ObjectiveChecks(who, attack, ready))
    return governed(who, given, [check for suite in suites for check in checks_of(suite)])


def _class_names(attack: Attack) -> tuple[str, ...]:
    """The trial's classes, with the attack's targets first."""
    targets = [route.target for route in routes_of(attack)]
    return tuple(dict.fromkeys([*targets, *trial.CLASS_NAMES]))


def _attacker(attack: Attack) -> tuple[Clip, Context]:
    architecture = trial.architectures_of(attack)[0]
    needs = frozenset({"clean_pairs", "clean_images", "labels", "reference_model"})
    return trial.reference(architecture), trial.context(needs, architecture, _class_names(attack))


def _fit(who: str, attack: Attack, seed: int) -> tuple[Attack, str, str]:
    """The fitted attack, and what fitting changed of the model and of the global generators."""
    assert isinstance(attack, Fitted)
    model, context = _attacker(attack)
    with generators_seeded(seed):
        before, generators = model_state(model), generators_state()
        with blaming(who, "fit()"):
            fitted = attack.fit(model, context)
        return fitted, changes(before, model_state(model)), changes(generators, generators_state())


class FitChecks:
    """Fitting returns an attack, by the context's seed alone, and leaves the model alone."""

    def __init__(self, who: str, fit: Callable[[int], tuple[Attack, str, str]]) -> None:
        self.who, self.fit = who, fit

    def fit_returns_an_attack(self) -> None:
        fitted = self.fit(0)[0]
        kind = type(fitted).__name__
        require(isinstance(fitted, Attack), f"{self.who}: fit() returned a {kind}; return a fitted copy of the attack")

    def fit_can_be_kept(self) -> None:
        require_keepable(self.who, self.fit(0)[0])

    def fit_leaves_the_model(self) -> None:
        changed = self.fit(0)[1]
        require(not changed, f"{self.who}: fit() changed {changed} of the model; work on model.clone()")

    def fit_is_seeded(self) -> None:
        images, ids = trial.images(7, trial.SIZE), trial.ids(7)
        first, second = (self.fit(seed)[0].trigger(images, ids) for seed in (0, 1))
        same = torch.equal(first, second)
        require(same, f"{self.who}: two fits differ; draw from a generator seeded by context.seed")

    def fit_leaves_global_generators(self) -> None:
        moved = self.fit(0)[2]
        require(not moved, f"{self.who}: fit() moved {moved}; use a torch.Generator of its own")


class PoisonChecks:
    """Poisoning marks an exact number of pairs, by the seed alone, and touches nothing else."""

    def __init__(self, who: str, attack: Callable[[], Attack]) -> None:
        self.who, self.attack = who, attack

    def _pairs(self) -> Pairs:
        return trial.pairs(_class_names(self.attack()), split="train")

    def _poison(self, pairs: Pairs, count: int = POISONS) -> Pairs:
        with blaming(self.who, f"poisoning {count} of {len(pairs)} pairs"):
            return poison(self.attack(), pairs, count, 0, trial.TEMPLATES)

    def poison_marks_the_exact_count(self) -> None:
        for count in (1, POISONS):
            before = self._pairs()
            found = int(marked(before, self._poison(before, count)).sum())
            asked = f"{self.who}: {count} poisons were asked for"
            require(found == count, f"{asked}, {found} pairs changed; change that many")

    def poison_keeps_order(self) -> None:
        before = self._pairs()
        after = self._poison(before)
        same = torch.equal(before.ids, after.ids) and len(all_images(after.images)) == len(before)
        require(same, f"{self.who}: poisoning moved or dropped pairs; return all of them in their order")

    def poison_is_seeded(self) -> None:
        found = []
        for seed in (0, 1):
            with generators_seeded(seed):
                found.append(pairs_state(self._poison(self._pairs())))
        differing = changes(*found)
        require(not differing, f"{self.who}: equal seeds poison differently ({differing}); use the seed alone")

    def poison_leaves_its_input(self) -> None:
        pairs = self._pairs()
        before = pairs_state(pairs)
        self._poison(pairs)
        changed = changes(before, pairs_state(pairs))
        require(not changed, f"{self.who}: poisoning changed the {changed} it was given; work on a copy")

    def poison_leaves_global_generators(self) -> None:
        pairs, before = self._pairs(), generators_state()
        self._poison(pairs)
        moved = changes(before, generators_state())
        require(not moved, f"{self.who}: poisoning moved {moved}; use a torch.Generator of its own")


class PromptChecks:
    """A text trigger rewrites each text on its own."""

    def __init__(self, who: str, attack: Callable[[], Attack]) -> None:
        self.who, self.attack = who, attack

    def _prompt(self, texts: list[str]) -> list[str]:
        attack = self.attack()
        assert isinstance(attack, Prompted)
        with blaming(self.who, "prompt()"):
            return attack.prompt(texts)

    def prompt_returns_a_text_for_each(self) -> None:
        found = self._prompt(list(TEXTS))
        fits = isinstance(found, list) and len(found) == len(TEXTS) and all(isinstance(text, str) for text in found)
        require(fits, f"{self.who}: prompt() returned {found!r}; return a list with one text for each")

    def prompt_is_pure(self) -> None:
        texts = list(TEXTS)
        with generators_seeded(0):
            before = generators_state()
            first = self._prompt(texts)
            moved = changes(before, generators_state())
        with generators_seeded(1):
            backwards = self._prompt(texts[::-1])[::-1]
        require(texts == list(TEXTS), f"{self.who}: prompt() changed the list it was given; return a new one")
        require(not moved, f"{self.who}: prompt() moved {moved}; it must draw nothing")
        require(first == backwards, f"{self.who}: prompt() treats equal texts differently; go by the text alone")

    def prompt_changes_texts(self) -> None:
        require(self._prompt(list(TEXTS)) != list(TEXTS), f"{self.who}: prompt() changes no text; remove it or fix it")


class RouteChecks:
    """Every route is an attack that keeps the rules of triggers."""

    def __init__(self, who: str, attack: Callable[[], Attack], sizes: tuple[int, ...]) -> None:
        self.who, self.attack, self.sizes = who, attack, sizes

    def routes_are_attacks(self) -> None:
        attack = self.attack()
        assert isinstance(attack, Routed)
        routes = attack.routes
        fits = isinstance(routes, tuple) and bool(routes) and all(isinstance(route, Attack) for route in routes)
        require(fits, f"{self.who}: routes is {routes!r}; make it a tuple of one or more attacks")

    def routes_keep_the_trigger_rules(self) -> None:
        for number, route in enumerate(routes_of(self.attack())):
            who = f"{self.who}, route {number}"
            for check in checks_of(TriggerChecks(who, lambda route=route: route, self.sizes)):  # type: ignore[misc]
                check.run()


class ObjectiveChecks:
    """A training loss of its own is a finite scalar that a model can be trained with."""

    def __init__(self, who: str, attack: Objective, ready: Callable[[], Attack]) -> None:
        self.who, self.objective, self.ready = who, attack, ready

    def loss_is_a_finite_scalar_with_a_gradient(self) -> None:
        fitted = self.ready()
        model, context = _attacker(fitted)
        pairs = trial.pairs(_class_names(fitted), split="train")
        poisoned = poison(fitted, pairs, POISONS, 0, trial.TEMPLATES)
        labels = poisoned.labels[: trial.BATCH] if poisoned.labels is not None else None
        rows = torch.arange(trial.BATCH)
        tokens = model.tokenize(poisoned.captions)[rows]
        batch = Batch(to_float(poisoned.images[rows]), tokens, labels, poisoned.ids[rows], rows)
        before = generators_state()
        with blaming(self.who, "loss()"):
            loss = (fitted if isinstance(fitted, Objective) else self.objective).loss(model, batch, context)
        moved = changes(before, generators_state())
        require(not moved, f"{self.who}: loss() moved {moved}; use a torch.Generator of its own")
        fits = isinstance(loss, Tensor) and loss.ndim == 0 and bool(torch.isfinite(loss)) and loss.requires_grad
        require(fits, f"{self.who}: loss() returned {loss!r}; return a finite scalar with a gradient")
