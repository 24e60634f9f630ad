"""Supervised fine-tuning of the vision tower on labelled images, as studied beside CleanCLIP (arXiv 2303.03323).

Differs from the paper: the paper trains a new linear head and evaluates that classifier; here the head is the suspect
model's own zero-shot classifier, frozen, so that the result is still a CLIP model. Learning rate and batch default to
the model's recipe (the paper: 1e-4 and 64, ten epochs).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from benchmark.objectives import class_loss
from benchmark.ranges import BatchSize, Count, Positive
from benchmark.types import Point

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, Need


@dataclass(frozen=True, kw_only=True)
class Supervised:
    """Cross-entropy over the classes, vision tower only; one point per epoch, strength = epochs done.

    Args:
        epochs: passes over the labelled images.
        learning_rate: peak learning rate; None takes the model's recipe.
        batch_size: images per step; None takes the model's recipe.
    """

    epochs: Count = 5
    learning_rate: Positive | None = None
    batch_size: BatchSize | None = None

    needs: ClassVar[frozenset["Need"]] = frozenset({"clean_pairs", "labels"})

    def __call__(self, model: "Clip", context: "Context") -> Iterator[Point]:
        snapshots = context.train(
            model,
            context.clean_pairs,
            loss=class_loss(model, context),
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            parts="vision",
        )
        for epoch, snapshot in enumerate(snapshots, start=1):
            yield Point(float(epoch), snapshot)
