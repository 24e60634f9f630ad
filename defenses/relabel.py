"""Relabelling by self-distillation: with the trigger on, see what the suspect model saw without it.

The embedding of a triggered image is pulled to the suspect model's embedding of the same image without the trigger, as
in distillation-based unlearning (SCRUB, arXiv 2302.09880), and that of the clean image is kept. With the attack's own
trigger this is the benchmark's upper bound: no defender who must guess the trigger should do better.

Differs from the paper: the distances are cosines of embeddings instead of divergences of class probabilities, there is
no ascent, and learning rate, batch and epochs are the model's recipe and a modest number.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from benchmark.objectives import frozen, triggered
from benchmark.ranges import BatchSize, Count, NonNegative, Positive
from benchmark.types import Batch, Loss, Point

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Attack, Context, Need


@dataclass(frozen=True, kw_only=True)
class Relabel:
    """Distillation of the trigger away, vision tower only; one point per epoch, strength = epochs done.

    Args:
        epochs: passes over the clean images.
        learning_rate: peak learning rate; None takes the model's recipe.
        batch_size: images per step; None takes the model's recipe.
        retain_weight: weight of the distance on clean images.
    """

    epochs: Count = 3
    learning_rate: Positive | None = None
    batch_size: BatchSize | None = None
    retain_weight: NonNegative = 1.0

    needs: ClassVar[frozenset["Need"]] = frozenset({"clean_pairs", "trigger"})

    def objective(self, teacher: "Clip", attack: "Attack") -> Loss:
        """The loss against the frozen suspect model."""

        def loss(model: "Clip", batch: Batch) -> Tensor:
            with torch.no_grad():
                seen = teacher.encode_images(batch.images)
            marked = triggered(attack, batch.images, batch.ids)
            forgot, kept = model.encode_images(torch.cat([marked, batch.images])).chunk(2)
            forget, retain = (1 - (found * seen).sum(dim=1).mean() for found in (forgot, kept))
            return forget + self.retain_weight * retain

        return loss

    def __call__(self, model: "Clip", context: "Context") -> Iterator[Point]:
        snapshots = context.train(
            model,
            context.clean_pairs,
            loss=self.objective(frozen(model), context.trigger),
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            parts="vision",
        )
        for epoch, snapshot in enumerate(snapshots, start=1):
            yield Point(float(epoch), snapshot)
