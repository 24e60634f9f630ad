"""A suspect checkpoint and what a user gives to clean it, checked before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.architectures import ModelSpec, model_spec, tiny_names
from benchmark.errors import UserError
from benchmark.models import vision_kind
from benchmark.planning import built_defense
from benchmark.poisoning import routes_of
from benchmark.registry import Registry
from benchmark.sections import Use
from benchmark.types import Attack, Defense, Fitted

_REMEDIES = {
    "trigger": "give --trigger ATTACK --target CLASS",
    "triggered_pairs": "give --trigger ATTACK --target CLASS",
    "target": "give --trigger ATTACK --target CLASS",
    "reference_model": "give --reference with the clean model that the suspect descends from",
    "labels": "give --pairs that have labels",
}


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asks for, in the user's own words.

    Attributes:
        model: architecture of the suspect.
        checkpoint: file of its weights.
        defense: name of a plugin.
        trigger: name of the attack that the suspect is thought to carry, or empty.
        target: class that the trigger elicits; empty for the attack's own default.
        reference: clean ancestor of the suspect, or empty.
        settings: parameters of the defense; those of the attack start with ``trigger.``.
        budget: allowed loss in points of clean accuracy.
        seed: of the defense.
    """

    model: str
    checkpoint: Path
    defense: str
    trigger: str = ""
    target: str = ""
    reference: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    budget: float = 2.0
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A request with everything built; nothing loaded yet."""

    request: Request
    spec: ModelSpec
    defense: Defense
    trigger: Attack | None = None
    reference: ModelSpec | None = None

    def check(self, class_names: Sequence[str]) -> None:
        """Raises a ``UserError`` where the defense cannot work with what was given; no class names, no labels."""
        name = self.request.defense
        given = {"clean_pairs", "clean_images"} | ({"labels"} if class_names else set())
        given |= {"reference_model"} if self.reference is not None else set()
        given |= {"trigger", "triggered_pairs", "target"} if self.trigger is not None else set()
        for need in sorted(frozenset[str](self.defense.needs) - given):
            remedy = _REMEDIES.get(need, "import the checkpoint into a matrix that grants them")
            raise UserError(f"defense '{name}' needs '{need}'; {remedy}")
        kinds, kind = getattr(self.defense, "architectures", None), vision_kind(self.spec)
        if kinds is not None and kind not in kinds:
            raise UserError(f"defense '{name}' works on {' and '.join(sorted(kinds))} models only; this is a {kind}")
        if self.trigger is not None:
            self._check_trigger(self.trigger, class_names)

    def _check_trigger(self, trigger: Attack, class_names: Sequence[str]) -> None:
        name = self.request.trigger
        if not class_names:
            raise UserError("the success of a trigger is counted over classes; give --pairs that have labels")
        if isinstance(trigger, Fitted):
            raise UserError(
                f"attack '{name}' optimises its trigger on the clean model, so that the trigger in this checkpoint is "
                "not known; leave out --trigger"
            )
        for route in routes_of(trigger):
            if route.target not in class_names:
                some = ", ".join(class_names[:12])
                raise UserError(f"the pairs have no class '{route.target}'; give --target with one of: {some}")


def suspect_of(request: Request, registry: Registry) -> Suspect:
    """Builds the defense and the trigger, and finds the files.

    Raises:
        UserError: a plugin, a parameter or a file does not exist or does not fit.
    """
    of_trigger: dict[str, Any] = {}
    of_defense: dict[str, Any] = {}
    for name, value in request.settings.items():
        (of_trigger if name.startswith("trigger.") else of_defense)[name.removeprefix("trigger.")] = value
    return Suspect(
        request=request,
        spec=_checkpoint_spec(request.model, request.checkpoint),
        defense=built_defense(registry, Use(plugin=request.defense, parameters=of_defense)),
        trigger=_trigger(registry, request, of_trigger),
        reference=_reference_spec(request.model, request.reference) if request.reference else None,
    )


def _checkpoint_spec(model: str, checkpoint: Path) -> ModelSpec:
    return model_spec(f"{model}@{checkpoint}")


def _reference_spec(model: str, reference: str) -> ModelSpec:
    """A checkpoint's path, a tag of the same architecture, or a whole name."""
    if Path(reference).is_file():
        return _checkpoint_spec(model, Path(reference))
    if "/" in reference or "@" in reference:
        return model_spec(reference)
    if model in tiny_names():
        raise UserError(f"--reference {reference}: there is no such file, and '{model}' has no tags; give a checkpoint")
    return model_spec(f"{model}/{reference}")


def _trigger(registry: Registry, request: Request, parameters: Mapping[str, Any]) -> Attack | None:
    if not request.trigger:
        if request.target or parameters:
            raise UserError("--target and --set trigger.NAME belong to a trigger; name its attack with --trigger")
        return None
    target = {"target": request.target} if request.target else {}
    built: Any = registry.build("attack", request.trigger, {**target, **parameters})
    if not isinstance(built, Attack):
        raise UserError(f"attack '{request.trigger}' has no 'target'; give it the class that its trigger must elicit")
    return built
