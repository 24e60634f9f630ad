"""NAD, neural attention distillation (arXiv 2101.05930): the student keeps the attention maps of a fine-tuned teacher.

The teacher is the suspect model after fine-tuning on clean pairs. The student starts from the suspect model and is
fine-tuned with the task loss plus the mean squared difference between attention maps, sums of squared activations
over channels divided by their norm, at three depths.

Differs from the paper: the contrastive loss replaces cross-entropy; maps are those of the last three residual stages
that still have more than one position, or, for a ViT, of the patch tokens behind blocks L/3, 2L/3 and L; AdamW with
the model's recipe replaces SGD, and fewer epochs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from benchmark.losses import model_loss
from benchmark.objectives import frozen
from benchmark.pixels import to_float
from benchmark.pruning import observed
from benchmark.ranges import BatchSize, Count, NonNegative, Positive
from benchmark.types import Batch, Loss, Point
from benchmark.units import UnitLayer, block_layers

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, Need


def attention_map(activation: Tensor) -> Tensor:
    """Activation (B, positions..., channels) -> the norms of its positions squared, (B, P), scaled to unit norm."""
    return functional.normalize(activation.square().sum(dim=-1).flatten(1), dim=1)


def spatial_layers(model: "Clip", image: Tensor) -> list[UnitLayer]:
    """Three places to compare maps at: the last stages with more than one position, or blocks L/3, 2L/3 and L."""
    layers = block_layers(model)
    if layers[0].kind != "stage":
        return [layers[round(len(layers) * third / 3) - 1] for third in (1, 2, 3)]
    positions: dict[str, int] = {}

    def see(name: str, activation: Tensor) -> None:
        positions[name] = activation[0, ..., 0].numel()

    with torch.no_grad(), observed(model, layers, see):
        model.image_features(image)
    return [layer for layer in layers if positions[layer.name] > 1][-3:]


@dataclass(frozen=True, kw_only=True)
class Nad:
    """Contrastive fine-tuning with attention distillation; one point per epoch, strength = epochs done.

    Args:
        epochs: passes of the student over the clean pairs.
        teacher_epochs: passes of the teacher.
        learning_rate: peak learning rate of both; None takes the model's recipe.
        batch_size: pairs per step; None takes the model's recipe.
        shallow_weight: weight of the map difference at the first depth.
        deep_weight: weight at the second and third depth.
    """

    epochs: Count = 3
    teacher_epochs: Count = 3
    learning_rate: Positive | None = None
    batch_size: BatchSize | None = None
    shallow_weight: NonNegative = 500.0
    deep_weight: NonNegative = 1000.0

    needs: ClassVar[frozenset["Need"]] = frozenset({"clean_pairs"})

    def objective(self, teacher: "Clip", layers: list[UnitLayer]) -> Loss:
        """The student's loss, given the frozen teacher and the places of the maps from shallow to deep."""
        task = model_loss(teacher)
        weights = [self.deep_weight] * len(layers)
        weights[0] = self.shallow_weight

        def loss(model: "Clip", batch: Batch) -> Tensor:
            ours: dict[str, Tensor] = {}
            theirs: dict[str, Tensor] = {}
            with torch.no_grad(), observed(teacher, layers, theirs.__setitem__):
                teacher.image_features(batch.images)
            with observed(model, layers, ours.__setitem__):
                total = task(model, batch)
            for layer, weight in zip(layers, weights, strict=True):
                maps = [self._map(layer, seen[layer.name]) for seen in (ours, theirs)]
                total = total + weight * functional.mse_loss(*maps)
            return total

        return loss

    @staticmethod
    def _map(layer: UnitLayer, activation: Tensor) -> Tensor:
        return attention_map(activation if layer.kind == "stage" else activation[:, 1:])

    def __call__(self, model: "Clip", context: "Context") -> Iterator[Point]:
        pairs = context.clean_pairs
        settings = {"learning_rate": self.learning_rate, "batch_size": self.batch_size}
        *_, teacher = context.train(model, pairs, epochs=self.teacher_epochs, **settings)
        probe = to_float(pairs.images[torch.arange(1)], model.device)
        layers = spatial_layers(frozen(model), probe)
        snapshots = context.train(
            model, pairs, loss=self.objective(frozen(teacher), layers), epochs=self.epochs, **settings
        )
        for epoch, snapshot in enumerate(snapshots, start=1):
            yield Point(float(epoch), snapshot)
