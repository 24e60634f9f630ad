"""``clipdefense clean``: a defense as a tool, on a suspect checkpoint and pairs of the user's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmark.checkpoints import load_model, load_onto
from benchmark.evaluation import Probe
from benchmark.models import Clip
from benchmark.open_clip_files import refuse_adapters
from benchmark.own_pairs import OwnPairs
from benchmark.picking import VICTIM, loss_bound
from benchmark.poisoning import forget_set, routes_of
from benchmark.progress import Progress
from benchmark.seeds import derive
from benchmark.stages.contexts import bound_train, make_context
from benchmark.stages.curve import Curve, Examination, Examined, Examiner, climb
from benchmark.stages.untriggered import GALLERY, Untriggered
from benchmark.suspects import Suspect
from benchmark.types import Context, Defense

TRIGGERED_PAIRS = 500
"""Images that get the trigger for defenses that need a forget set, at most all that the defense is given."""


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    """A suspect before and after; ``model`` is None where no point was within the budget."""

    suspect: Suspect
    pairs: OwnPairs
    before: Examined
    curve: Curve

    @property
    def model(self) -> Clip | None:
        return None if self.curve.blind == VICTIM else self.curve.blind_model

    @property
    def after(self) -> Examined:
        return self.before if self.curve.blind == VICTIM else self.curve.examined[self.curve.blind]

    @property
    def title(self) -> str:
        """What was done."""
        request, pairs, points = self.suspect.request, self.pairs, self.curve.points
        picked = f"strength {points[self.curve.blind].strength:g}" if self.model is not None else "none"
        return (
            f"{request.defense} on {request.checkpoint}: {len(pairs.defense)} pairs of {pairs.dataset.name}, "
            f"{len(points)} points; within {request.budget:g} points of loss on {len(pairs.validation)} validation "
            f"pairs: {picked}"
        )

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Name, before, after, and over how many test images."""
        before, after = self.before.test, self.after.test
        total, other = len(self.pairs.test), int(before.predictions.other.sum())
        kept = "clean accuracy" if self.pairs.labelled else f"own caption first among {GALLERY}"
        found = [(kept, "clean_accuracy", f"{total} test images")]
        if self.suspect.trigger is not None:
            found.append(("attack success", "attack_success_rate", f"{other} test images of other classes"))
        was: Any = before.metrics
        now: Any = after.metrics
        return [(name, f"{was[key]:.3f}", f"{now[key]:.3f}", over) for name, key, over in found]

    @property
    def refusal(self) -> str:
        """Why there is no model to write."""
        request = self.suspect.request
        was, first = (found.validation.predictions.clean_right for found in (self.before, self.curve.examined[0]))
        return (
            f"no point of '{request.defense}' is within the budget of {request.budget:g} points (with 95 % confidence "
            f"the first may cost {100 * loss_bound(was, first):.1f}), so that the original is kept and nothing is "
            "written; give more validation pairs, a gentler --set, or a larger --budget"
        )


@dataclass(frozen=True)
class _Plain:
    """A defense whose models must be exportable; refused at the first point that is not."""

    defense: Defense

    def __call__(self, model: Clip, context: Context) -> Iterator[Any]:
        for point in self.defense(model, context):
            if isinstance(point, tuple) and isinstance(point[-1], Clip):
                refuse_adapters(point[-1])
            yield point


def load_suspect(suspect: Suspect, device: torch.device) -> tuple[Clip, Clip | None]:
    """The suspect model and, where one is named, its ancestor, whose activation it then has."""
    if suspect.reference is None:
        return load_model(suspect.spec, device), None
    ancestor = load_model(suspect.reference, device)
    assert suspect.spec.checkpoint is not None
    return load_onto(ancestor, Path(suspect.spec.checkpoint)), ancestor


def clean(model: Clip, ancestor: Clip | None, suspect: Suspect, pairs: OwnPairs, progress: Progress) -> Cleaned:
    """Runs the defense, measures every point, and picks one on the validation pairs alone.

    Raises:
        UserError: the target is no class of the pairs, or a point has adapters.
        ClipdefenseError: the defense broke its contract, or a model is not finite.
    """
    examiner = _examiner(suspect, pairs, model.image_size)
    before = examiner.of(model)
    context = _context(model, ancestor, suspect, pairs, progress)
    defense: Any = _Plain(suspect.defense)
    request = suspect.request
    curve = climb(model, before, defense, context, examiner, budget=request.budget, name=request.defense)
    return Cleaned(suspect=suspect, pairs=pairs, before=before, curve=curve)


def _examiner(suspect: Suspect, pairs: OwnPairs, image_size: int) -> Examiner:
    templates = tuple(pairs.dataset.templates)
    if suspect.trigger is None:
        return Untriggered(validation=pairs.validation, test=pairs.test, templates=templates)
    return Examination(
        validation=Probe.of(suspect.trigger, pairs.validation, templates, image_size),
        test=Probe.of(suspect.trigger, pairs.test, templates, image_size),
    )


def _context(model: Clip, ancestor: Clip | None, suspect: Suspect, pairs: OwnPairs, progress: Progress) -> Context:
    seed = derive(suspect.request.seed, "clean", suspect.spec.architecture, suspect.request.defense)
    needs, offered = frozenset[str](suspect.defense.needs), pairs.defense
    resources: dict[str, Any] = {"clean_pairs": offered, "clean_images": offered.images, "labels": pairs.labelled}
    if ancestor is not None:
        resources["reference_model"] = ancestor
    if suspect.trigger is not None:
        resources |= {"trigger": suspect.trigger, "target": routes_of(suspect.trigger)[0].target}
    if suspect.trigger is not None and "triggered_pairs" in needs:
        count, templates = min(TRIGGERED_PAIRS, len(offered)), pairs.dataset.templates
        resources["triggered_pairs"] = forget_set(suspect.trigger, offered, count, derive(seed, "forget"), templates)
    train = bound_train(suspect.spec.defend, seed=seed, progress=progress, description=suspect.request.defense)
    return make_context(
        class_names=offered.class_names,
        templates=pairs.dataset.templates,
        seed=seed,
        device=model.device,
        train=train,
        resources={need: value for need, value in resources.items() if need in needs},
    )
