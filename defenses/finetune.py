"""Fine-tuning on clean pairs with the contrastive loss, the baseline of CleanCLIP (arXiv 2303.03323).

Differs from the paper: learning rate, batch and epochs default to the model's own recipe, BatchNorm statistics
follow the recipe's policy, and every epoch is a point, so that the whole trade-off is seen instead of its end.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from benchmark.ranges import BatchSize, Count, Positive
from benchmark.types import Point

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, Need


@dataclass(frozen=True, kw_only=True)
class Finetune:
    """Contrastive fine-tuning of both towers; one point per epoch, strength = epochs done.

    Args:
        epochs: passes over the clean pairs.
        learning_rate: peak learning rate; None takes the model's recipe.
        batch_size: pairs per step; None takes the model's recipe.
    """

    epochs: Count = 5
    learning_rate: Positive | None = None
    batch_size: BatchSize | None = None

    needs: ClassVar[frozenset["Need"]] = frozenset({"clean_pairs"})

    def __call__(self, model: "Clip", context: "Context") -> Iterator[Point]:
        snapshots = context.train(
            model,
            context.clean_pairs,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
        )
        for epoch, snapshot in enumerate(snapshots, start=1):
            yield Point(float(epoch), snapshot)
