"""InverTune's activation tuning (arXiv 2506.12411): train away what the trigger changes inside the vision tower.

The stages that the trigger changes most are found on clean images; in each of them the units are split in two by how
much they change, and training shrinks the relative change of the upper group while the embeddings of clean images stay
where the suspect model had them.

Differs from the paper: this is its last step alone, for whatever trigger is given or inverted; its target search and
inversion are other plugins. The four stages of a ResNet, or the blocks of a ViT, are the candidates, their activations
averaged over positions (the published code compares them position by position); the two groups are the exact optimum of
one-dimensional 2-means; all clean images are used instead of one batch, with the model's recipe (the paper: 2e-6, 200
iterations on 64 images).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from benchmark.models import ENCODE_BATCH
from benchmark.objectives import frozen, triggered
from benchmark.pixels import to_float
from benchmark.pruning import observed
from benchmark.ranges import BatchSize, Count, NonNegative, Positive
from benchmark.types import Batch, Loss, Point
from benchmark.units import block_layers

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Attack, Context, Need, Pairs


def upper_group(values: Tensor) -> Tensor:
    """Mask (n,) bool of the larger of two clusters of numbers, the split of least squared distance to the means."""
    ordered, order = values.double().sort()
    sizes = torch.arange(1, len(values), device=values.device)
    sums = ordered.cumsum(dim=0)
    low, high = sums[:-1], sums[-1] - sums[:-1]
    between = low.square() / sizes + high.square() / (len(values) - sizes)
    mask = torch.zeros(len(values), dtype=torch.bool, device=values.device)
    mask[order[int(between.argmax()) + 1 :]] = True
    return mask


def activations(model: "Clip", pixels: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """Block name -> its units averaged over positions (B, units), and the embeddings."""
    seen: dict[str, Tensor] = {}

    def see(name: str, activation: Tensor) -> None:
        seen[name] = activation.flatten(1, -2).mean(dim=1)

    with observed(model, block_layers(model), see):
        embeddings = model.encode_images(pixels)
    return seen, embeddings


@torch.no_grad()
def sensitive_units(model: "Clip", pairs: "Pairs", attack: "Attack", count: int) -> dict[str, Tensor]:
    """The ``count`` blocks of largest relative change of the mean activation, with the mask of their upper group."""
    sums: dict[str, list[Tensor]] = {}
    for rows in torch.arange(len(pairs)).split(ENCODE_BATCH):
        pixels = to_float(pairs.images[rows], model.device)
        marked = triggered(attack, pixels, pairs.ids[rows].to(model.device))
        clean, changed = activations(model, pixels)[0], activations(model, marked)[0]
        for name, units in clean.items():
            sums.setdefault(name, []).append(torch.stack([units.sum(dim=0), changed[name].sum(dim=0)]))
    means = {name: torch.stack(parts).sum(dim=0) / len(pairs) for name, parts in sums.items()}
    impact = {name: float((mean[0] - mean[1]).norm() / mean[0].norm()) for name, mean in means.items()}
    chosen = sorted(impact, key=lambda name: -impact[name])[:count]
    return {name: upper_group((means[name][0] - means[name][1]).abs()) for name in chosen}


@dataclass(frozen=True, kw_only=True)
class InverTune:
    """Tuning of trigger-sensitive activations, vision tower only; one point per epoch, strength = epochs done.

    Args:
        epochs: passes over the clean images.
        learning_rate: peak learning rate; None takes the model's recipe.
        batch_size: images per step; None takes the model's recipe.
        layers: number of stages or blocks that are tuned.
        keep_weight: weight of the distance to the suspect model's embeddings of clean images.
    """

    epochs: Count = 3
    learning_rate: Positive | None = None
    batch_size: BatchSize | None = None
    layers: Count = 3
    keep_weight: NonNegative = 0.5

    needs: ClassVar[frozenset["Need"]] = frozenset({"clean_pairs", "trigger"})

    def objective(self, teacher: "Clip", attack: "Attack", units: dict[str, Tensor]) -> Loss:
        """The loss against the frozen suspect model, given the masks of the sensitive units by block."""

        def loss(model: "Clip", batch: Batch) -> Tensor:
            marked = triggered(attack, batch.images, batch.ids)
            seen, embeddings = activations(model, torch.cat([batch.images, marked]))
            total = embeddings.sum() * 0.0
            for name, mask in units.items():
                clean, changed = (part[:, mask] for part in seen[name].chunk(2))
                total = total + (clean - changed).norm() / clean.norm().clamp(min=1e-12)
            with torch.no_grad():
                before = teacher.encode_images(batch.images)
            return total + self.keep_weight * (embeddings.chunk(2)[0] - before).norm()

        return loss

    def __call__(self, model: "Clip", context: "Context") -> Iterator[Point]:
        pairs, teacher = context.clean_pairs, frozen(model)
        units = sensitive_units(teacher, pairs, context.trigger, self.layers)
        snapshots = context.train(
            model,
            pairs,
            loss=self.objective(teacher, context.trigger, units),
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            parts="vision",
        )
        for epoch, snapshot in enumerate(snapshots, start=1):
            yield Point(float(epoch), snapshot)
