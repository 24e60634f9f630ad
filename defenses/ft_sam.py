"""FT-SAM (arXiv 2304.11823): fine-tuning with adaptive sharpness-aware minimisation.

Every step first climbs to theta + rho * theta^2 g / || |theta| g ||, g the gradient, and then descends from theta along
the gradient found up there, so that weights of large norm, which carry the backdoor, move more.

Differs from the paper: the contrastive loss replaces the label-smoothed cross-entropy of a classifier, AdamW with the
model's recipe replaces SGD, and fewer epochs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from benchmark.losses import model_loss
from benchmark.objectives import movable, with_gradients
from benchmark.ranges import BatchSize, Count, NonNegative, Positive
from benchmark.types import Batch, Loss, Point

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, Need


def climb(parameters: list[nn.Parameter], slopes: list[Tensor | None], rho: float) -> list[Tensor]:
    """The adaptive ascent step for each parameter: rho * p^2 g / || |p| g ||, zero where there is no slope."""
    found = [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, slopes, strict=True)]
    norm = torch.stack([(p.detach().abs() * g).norm() for p, g in zip(parameters, found, strict=True)]).norm()
    return [rho * p.detach().square() * g / (norm + 1e-12) for p, g in zip(parameters, found, strict=True)]


def sharpness_aware(loss: Loss, rho: float) -> Loss:
    """A loss with the value and the gradient of ``loss`` at the top of the climb.

    BatchNorm's running statistics are updated by the first pass only.
    """

    def climbed(model: "Clip", batch: Batch) -> Tensor:
        parameters = movable(model)
        slopes = torch.autograd.grad(loss(model, batch), parameters, allow_unused=True)
        steps = climb(parameters, list(slopes), rho)
        norms = [layer for layer in model.module.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
        momenta = [layer.momentum for layer in norms]
        start = [parameter.detach().clone() for parameter in parameters]
        try:
            with torch.no_grad():
                torch._foreach_add_(parameters, steps)
            for layer in norms:
                layer.momentum = 0.0
            top = loss(model, batch)
            gradients = torch.autograd.grad(top, parameters, allow_unused=True)
        finally:
            for layer, momentum in zip(norms, momenta, strict=True):
                layer.momentum = momentum
            with torch.no_grad():
                torch._foreach_copy_(parameters, start)
        return with_gradients(top, parameters, gradients)

    return climbed


@dataclass(frozen=True, kw_only=True)
class FtSam:
    """Sharpness-aware contrastive fine-tuning; one point per epoch, strength = epochs done.

    Args:
        epochs: passes over the clean pairs.
        learning_rate: peak learning rate; None takes the model's recipe.
        batch_size: pairs per step; None takes the model's recipe.
        rho: radius of the climb; the paper uses 2, and 8 on Tiny-ImageNet.
    """

    epochs: Count = 5
    learning_rate: Positive | None = None
    batch_size: BatchSize | None = None
    rho: NonNegative = 2.0

    needs: ClassVar[frozenset["Need"]] = frozenset({"clean_pairs"})

    def __call__(self, model: "Clip", context: "Context") -> Iterator[Point]:
        snapshots = context.train(
            model,
            context.clean_pairs,
            loss=sharpness_aware(model_loss(model), self.rho),
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
        )
        for epoch, snapshot in enumerate(snapshots, start=1):
            yield Point(float(epoch), snapshot)
