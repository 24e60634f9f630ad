"""The plane that two directions span from a model."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from benchmark.arithmetic import Vector, difference
from benchmark.models import Clip

_EPSILON = 1e-5
"""What BatchNorm itself adds to a variance."""


@dataclass(frozen=True)
class Direction:
    """A way to go from a model: by its weights, and where wanted by its BatchNorm statistics as well.

    Attributes:
        weights: a task vector.
        means: differences of running means, by buffer name.
        variances: differences of the logarithms of running variances, by buffer name; so no multiple of them makes a
            variance negative.
    """

    weights: Vector
    means: Vector = field(default_factory=dict)
    variances: Vector = field(default_factory=dict)

    @classmethod
    def between(cls, after: Clip, before: Clip) -> Direction:
        """The direction whose one-fold leads from one model to the other, statistics included."""
        ours, theirs = dict(after.module.named_buffers()), dict(before.module.named_buffers())
        means = {name: ours[name] - theirs[name] for name in ours if name.endswith("running_mean")}
        variances = {
            name: torch.log(ours[name] + _EPSILON) - torch.log(theirs[name] + _EPSILON)
            for name in ours
            if name.endswith("running_var")
        }
        return cls(difference(after, before), means, variances)

    @property
    def moves_text(self) -> bool:
        return any(bool(value.any()) for name, value in self.weights.items() if not name.startswith("visual."))


class Plane:
    """The models ``origin + a * first + b * second``; one working copy serves them all.

    Whatever no direction moves is the origin's everywhere, the logit scale among it.
    """

    def __init__(self, origin: Clip, first: Direction, second: Direction) -> None:
        self.directions = (first, second)
        self._copy = origin.clone()
        self._copy.module.eval()
        held = {**dict(self._copy.module.named_parameters()), **dict(self._copy.module.named_buffers())}
        moved = {name for way in self.directions for part in (way.weights, way.means, way.variances) for name in part}
        self._held = {name: held[name] for name in sorted(moved)}
        self._start = {name: value.detach().clone() for name, value in self._held.items()}
        self._moves_text = tuple(way.moves_text for way in self.directions)

    @torch.no_grad()
    def at(self, a: float, b: float) -> Clip:
        """The model at a place; the next call turns it into another one."""
        scales = [(scale, way) for scale, way in zip((a, b), self.directions, strict=True) if scale]
        for name, value in self._held.items():
            value.copy_(self._start[name])
            for scale, way in scales:
                step = way.weights.get(name, way.means.get(name))
                if step is not None:
                    value.add_(step.to(value), alpha=scale)
            exponents = [scale * way.variances[name] for scale, way in scales if name in way.variances]
            if exponents:
                factor = torch.exp(torch.stack(exponents).sum(dim=0).to(value))
                value.add_(_EPSILON).mul_(factor).sub_(_EPSILON).clamp_(min=0)
        return self._copy

    def text_place(self, a: float, b: float) -> tuple[float, ...]:
        """Places with equal text towers have equal values of this, so that they can share a zero-shot classifier."""
        return tuple(scale for scale, moves in zip((a, b), self._moves_text, strict=True) if moves)
