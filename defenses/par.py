"""PAR, perturb and recover (arXiv 2412.00727): fine-tune while pushing every embedding away from where it was.

The loss is L_CLIP - 1/2 [phi(S_images) + phi(S_texts)] with S the mean squared distance between the embeddings of the
student and of the frozen suspect model on the same input, and phi(S) = S up to the threshold tau, 0 above it, value
and gradient. The temperature is not learnt.

Differs from the paper: learning rate, batch and schedule are the model's recipe (the paper starts at ten times the
peak and falls to it, which matters for ViTs, where S and its gradient are zero at the first step); fewer epochs.
Training images are those of the recipe instead of centre crops, with the paper's noise and erasing on top.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import torch
from open_clip.constants import OPENAI_DATASET_MEAN
from pydantic import Field
from torch import Tensor

from benchmark.losses import symmetric_cross_entropy
from benchmark.objectives import frozen, shared_targets
from benchmark.ranges import BatchSize, Count, NonNegative, Positive
from benchmark.seeds import derive
from benchmark.types import Batch, Loss, Point

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, Need


def capped(distance: Tensor, ceiling: float) -> Tensor:
    """phi: the distance up to the ceiling, above it a constant zero."""
    return torch.where(distance <= ceiling, distance, torch.zeros_like(distance))


def noised(images: Tensor, deviation: float, source: torch.Generator) -> Tensor:
    """Each image, with probability one half, plus the positive part of Gaussian noise, clipped to [0, 1]."""
    noise = torch.randn(images.shape, generator=source).mul_(deviation).clamp_(0, 1)
    chosen = torch.rand(len(images), 1, 1, 1, generator=source) < 0.5
    return (images + (noise * chosen).to(images)).clamp(0, 1)


def erased(images: Tensor, source: torch.Generator) -> Tensor:
    """Each image, with probability one half, with a square of 0.5 to 1 % of its area in CLIP's mean colour."""
    count, _, height, width = images.shape
    areas = (0.005 + 0.005 * torch.rand(count, generator=source)) * height * width
    sides = areas.sqrt().round().clamp(min=1)
    corners = torch.rand(2, count, generator=source) * (torch.tensor([[height], [width]]) - sides + 1)
    chosen = torch.rand(count, generator=source) < 0.5
    inside = chosen[:, None, None].expand(count, height, width)
    for axis, length, corner in ((1, height, corners[0].floor()), (2, width, corners[1].floor())):
        place = torch.arange(length).view(1, -1, 1) if axis == 1 else torch.arange(length).view(1, 1, -1)
        low = corner.view(-1, 1, 1)
        inside = inside & (place >= low) & (place < low + sides.view(-1, 1, 1))
    colour = images.new_tensor(OPENAI_DATASET_MEAN).view(1, 3, 1, 1)
    return torch.where(inside[:, None].to(images.device), colour, images)


@dataclass(frozen=True, kw_only=True)
class Par:
    """Contrastive fine-tuning with repulsion from the suspect model; one point per epoch, strength = epochs done.

    Args:
        epochs: passes over the clean pairs.
        learning_rate: peak learning rate; None takes the model's recipe.
        batch_size: pairs per step; None takes the model's recipe.
        threshold: tau, the mean squared distance up to which embeddings are pushed away, in [0, 4].
        noise: standard deviation of the image noise, in units of the pixel range [0, 1].
    """

    epochs: Count = 5
    learning_rate: Positive | None = None
    batch_size: BatchSize | None = None
    threshold: Annotated[float, Field(ge=0, le=4, allow_inf_nan=False)] = 2.15
    noise: NonNegative = 0.2

    needs: ClassVar[frozenset["Need"]] = frozenset({"clean_pairs"})

    def objective(self, teacher: "Clip", seed: int) -> Loss:
        """The loss against a frozen teacher; ``seed`` fixes the image augmentation."""
        source = torch.Generator().manual_seed(seed)

        def loss(model: "Clip", batch: Batch) -> Tensor:
            pixels = erased(noised(batch.images, self.noise, source), source)
            images, texts = model.encode_images(pixels), model.encode_tokens(batch.tokens)
            with torch.no_grad():
                before = teacher.encode_images(pixels), teacher.encode_tokens(batch.tokens)
            shared = shared_targets(model, batch.tokens)
            clip = symmetric_cross_entropy(images, texts, model.logit_scale.detach(), shared)
            distances = [
                (new - old).square().sum(dim=1).mean() for new, old in zip((images, texts), before, strict=True)
            ]
            return clip - sum(capped(distance, self.threshold) for distance in distances) / 2

        return loss

    def __call__(self, model: "Clip", context: "Context") -> Iterator[Point]:
        snapshots = context.train(
            model,
            context.clean_pairs,
            loss=self.objective(frozen(model), derive(context.seed, "augmentation")),
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
        )
        for epoch, snapshot in enumerate(snapshots, start=1):
            yield Point(float(epoch), snapshot)
