"""The rules of a trigger: a function of (the attack's fields, image, id) alone, in pixels in [0, 1]."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace

import torch
from torch import Tensor

from benchmark.contract import trial
from benchmark.contract.checks import blaming, require
from benchmark.contract.state import changes, generators_seeded, generators_state
from benchmark.types import Attack

SIZES = (32, 224)
BATCHES = (7, 1)
TOLERANCE = 1e-5
"""Allowed difference where only the company of an image differs; a hundredth of what 8-bit storage can see."""
VISIBLE = 0.5 / 255


class TriggerChecks:
    """All that must hold of ``target`` and ``trigger``.

    Args:
        who: how sentences call the attack.
        attack: hands out the attack, fitted where it needs that.
        sizes: image sides to try.
    """

    def __init__(self, who: str, attack: Callable[[], Attack], sizes: Sequence[int] = SIZES) -> None:
        self.who, self.attack, self.sizes = who, attack, sizes

    def _stamp(self, images: Tensor, ids: Tensor, attack: Attack | None = None) -> Tensor:
        with blaming(self.who, f"trigger() on {len(images)} images of {images.shape[-1]} pixels"):
            return (attack or self.attack()).trigger(images, ids)

    def _again(self, images: Tensor, ids: Tensor, seed: int) -> Tensor:
        """The trigger of an equal attack, built anew while the global generators stand elsewhere."""
        with generators_seeded(seed):
            attack = self.attack()
            if is_dataclass(attack):
                attack = replace(attack)
            return self._stamp(images, ids, attack)

    def target_is_text(self) -> None:
        target = self.attack().target
        named = isinstance(target, str) and bool(target)
        require(named, f"{self.who}: target is {target!r}; make it the name of a class")

    def trigger_keeps_shape_and_type(self) -> None:
        for size in self.sizes:
            for count in BATCHES:
                images = trial.images(count, size)
                result = self._stamp(images, trial.ids(count))
                expected = f"{tuple(images.shape)} {images.dtype}"
                found = type(result).__name__
                if isinstance(result, Tensor):
                    found = f"{tuple(result.shape)} {result.dtype}"
                require(found == expected, f"{self.who}: trigger() made {found} of {expected}; keep shape and type")

    def trigger_stays_in_range(self) -> None:
        for size in self.sizes:
            result = self._stamp(trial.images(7, size), trial.ids(7))
            inside = bool(((result >= 0) & (result <= 1)).all())
            low, high = float(result.min()), float(result.max())
            require(inside, f"{self.who}: trigger() returned pixels from {low:.3f} to {high:.3f}; clamp them to [0, 1]")

    def trigger_leaves_its_input(self) -> None:
        for size in self.sizes:
            images, ids = trial.images(7, size), trial.ids(7)
            self._stamp(images, ids)
            same = torch.equal(images, trial.images(7, size)) and torch.equal(ids, trial.ids(7))
            require(same, f"{self.who}: trigger() changed the images or ids it was given; work on a clone")

    def trigger_is_deterministic(self) -> None:
        for size in self.sizes:
            images, ids = trial.images(7, size), trial.ids(7)
            first, second = (self._again(images, ids, seed) for seed in (0, 1))
            same = torch.equal(first, second)
            require(same, f"{self.who}: trigger() differs from call to call; draw from a generator seeded by the id")

    def trigger_ignores_other_images(self) -> None:
        for size in self.sizes:
            images, ids = trial.images(7, size), trial.ids(7)
            together = self._stamp(images, ids)
            for rows in (torch.tensor([4]), torch.tensor([2, 3, 6])):
                alone = self._stamp(images[rows], ids[rows])
                same = _close(alone, together[rows])
                require(same, f"{self.who}: an image's trigger depends on the others of its batch; treat each alone")

    def trigger_ignores_position(self) -> None:
        for size in self.sizes:
            images, ids = trial.images(7, size), trial.ids(7)
            order = torch.tensor([3, 6, 0, 5, 5, 1, 4])
            moved, still = self._stamp(images[order], ids[order]), self._stamp(images, ids)[order]
            same = _close(moved, still)
            require(same, f"{self.who}: an image's trigger depends on its place in the batch; go by its id instead")

    def trigger_leaves_global_generators(self) -> None:
        images, ids, before = trial.images(7, trial.SIZE), trial.ids(7), generators_state()
        self._stamp(images, ids)
        moved = changes(before, generators_state())
        require(not moved, f"{self.who}: trigger() moved {moved}; use a torch.Generator of its own")

    def trigger_changes_images(self) -> None:
        if callable(getattr(self.attack(), "prompt", None)):
            return
        for size in self.sizes:
            images = trial.images(7, size)
            moved = (self._stamp(images, trial.ids(7)) - images).abs().flatten(1).amax(dim=1)[2:]
            seen = bool((moved > VISIBLE).all())
            require(seen, f"{self.who}: trigger() leaves images of {size} pixels as they are in 8 bit; strengthen it")


def require_keepable(who: str, attack: Attack) -> None:
    """An attack that learnt something can be written down and rebuilt from scalars and tensors alone."""
    require(is_dataclass(attack), f"{who}: what it learnt cannot be kept; make the learnt attack a dataclass")
    assert is_dataclass(attack)
    values = {field.name: getattr(attack, field.name) for field in fields(attack) if field.init}
    for name, value in values.items():
        kind = type(value).__name__
        keepable = isinstance(value, bool | int | float | str | Tensor | None)
        require(keepable, f"{who}: field '{name}' holds a {kind}, which cannot be kept; use scalars and tensors")
    images, ids = trial.images(7, trial.SIZE), trial.ids(7)
    with blaming(who, "rebuilding it from its fields"):
        again = type(attack)(**{n: v.clone() if isinstance(v, Tensor) else v for n, v in values.items()})
        same = torch.equal(again.trigger(images, ids), attack.trigger(images, ids))
    require(same, f"{who}: rebuilt from its fields it has another trigger; keep all that it learnt in fields")


def _close(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and torch.allclose(first, second, rtol=0, atol=TOLERANCE)
