"""Ours: an attacker who knows that the trigger's task vector will be subtracted (TBAR, arXiv 2510.14845).

The defense fine-tunes on triggered images and walks the other way, which raises the loss on the trigger. The attacker
takes one such step while training the victim: weights theta + r * s, with s the signs of the gradient of the loss on
triggered images, which is how Adam's first steps move them, and makes the ordinary contrastive loss large there while
it stays small at theta. Whoever walks away from the trigger then walks out of the clean model's valley. First order (no
gradient flows through s, as in first-order MAML, arXiv 1803.02999); a step costs about three ordinary ones.

Differs from the paper: there is none. The patch is that of BadNets, so that the two differ in the training alone.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from benchmark.losses import model_loss, zero_shot_cross_entropy
from benchmark.patterns import binary_patch, pasted, pixels_of
from benchmark.ranges import NonNegative, Seed, Share

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Batch, Context


class _Evaluated(nn.Module):
    """A function of the model as a module, so that the model's weights can be swapped for one call."""

    def __init__(self, model: "Clip", function: Callable[["Clip"], Tensor]) -> None:
        super().__init__()
        self.model, self.module, self.function = model, model.module, function

    def forward(self) -> Tensor:
        return self.function(self.model)


def _evaluated(model: "Clip", function: Callable[["Clip"], Tensor], moved: dict[str, Tensor]) -> Tensor:
    """A function of the model with some parameters replaced; BatchNorm statistics are updated on copies."""
    buffers = {name: buffer.clone() for name, buffer in model.module.named_buffers()}
    swapped = {f"module.{name}": value for name, value in {**buffers, **moved}.items()}
    value: Tensor = torch.func.functional_call(_Evaluated(model, function), swapped, ())
    return value


@dataclass(frozen=True, kw_only=True)
class Adaptive:
    """A fixed noise patch in the bottom right corner, trained so that unlearning it costs clean accuracy.

    Args:
        target: class that the trigger must elicit.
        side: side of the patch as a share of the image side, in (0, 1].
        pattern_seed: seed of the pattern.
        entanglement: weight of the clean loss beyond the step.
        radius: length of the step as a share of the norm of the vision tower's weights.
        share: part of each batch that gets the trigger to find the step's direction, in (0, 1].
    """

    target: str = "banana"
    side: Share = 0.125
    pattern_seed: Seed = 0
    entanglement: NonNegative = 0.5
    radius: NonNegative = 0.05
    share: Share = 0.25

    def trigger(self, images: Tensor, ids: Tensor) -> Tensor:
        size = images.shape[-1]
        side = pixels_of(self.side, size)
        return pasted(images, binary_patch(self.pattern_seed, side)[None], torch.tensor([[size - side, size - side]]))

    def _step(self, model: "Clip", batch: "Batch", context: "Context") -> dict[str, Tensor]:
        """The vision tower's parameters after a step up the triggered loss, by name, gradients passing through."""
        count = max(2, round(self.share * len(batch.images)))
        triggered = self.trigger(batch.images[:count], batch.ids[:count])
        goal = torch.full((count,), context.class_names.index(self.target), device=triggered.device)
        names = [context.templates[0].format(name) for name in context.class_names]
        with torch.no_grad():  # one template per class, because the text tower moves and every step asks it anew
            heads = model.encode_tokens(model.tokenize(names).to(triggered.device))
        named = [(name, p) for name, p in model.trainable("vision") if p.requires_grad]
        loss = _evaluated(model, lambda m: zero_shot_cross_entropy(m, triggered, heads, goal), {})
        signs = [gradient.sign() for gradient in torch.autograd.grad(loss, [p for _, p in named])]
        norms = [torch.stack([t.detach().norm() for t in group]).norm() for group in ([p for _, p in named], signs)]
        scale = self.radius * norms[0] / norms[1].clamp(min=1.0)
        return {name: p + scale * sign for (name, p), sign in zip(named, signs, strict=True)}

    def loss(self, model: "Clip", batch: "Batch", context: "Context") -> Tensor:
        """The contrastive loss less ``entanglement`` times its value beyond the step, up to chance level."""
        ordinary = model_loss(model)
        beyond = _evaluated(model, lambda m: ordinary(m, batch), self._step(model, batch, context))
        chance = math.log(len(batch.images))
        return ordinary(model, batch) - self.entanglement * beyond.clamp(max=chance)
