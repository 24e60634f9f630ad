"""Trigger removal by backdoor arithmetic, TBAR (arXiv 2510.14845): subtract the vector of fine-tuning on the trigger.

The suspect model is fine-tuned on a small set of triggered images with the target's captions, which strengthens the
backdoor; the difference of the weights is the trigger vector, and ``alpha`` times it is subtracted.

Differs from the paper: its hyperparameters and code are not public, so this is a reconstruction. The forget set is
fitted with cross-entropy over the zero-shot classes by default, because captions of one class repeat within a batch
and the contrastive loss would treat them as each other's negatives (``loss="contrastive"`` gives that). The
``anchor`` is ours.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from benchmark.arithmetic import applied, difference
from benchmark.losses import zero_shot_cross_entropy
from benchmark.pairs import concatenated
from benchmark.ranges import BatchSize, Count, NonNegative, Positive
from benchmark.types import Batch, Loss, Pairs, Point

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, Need


def _class_loss(model: "Clip", context: "Context") -> Loss:
    classifier = model.classifier(context.class_names, context.templates)

    def loss(student: "Clip", batch: Batch) -> torch.Tensor:
        assert batch.labels is not None
        return zero_shot_cross_entropy(student, batch.images, classifier, batch.labels)

    return loss


@dataclass(frozen=True, kw_only=True)
class TaskVector:
    """Negation of the trigger vector; one point per alpha, strength = alpha, one fine-tune for all of them.

    Args:
        alpha_max: largest multiple that is subtracted.
        alpha_steps: number of points, evenly spaced from alpha_max / alpha_steps on.
        epochs: passes over the forget set.
        learning_rate: peak learning rate; None takes the model's recipe.
        batch_size: pairs per step; None takes the model's recipe.
        anchor: clean pairs with their true labels added per triggered pair (0 is the paper's recipe); more than 0
            also needs clean pairs and labels.
        loss: "zero_shot" (cross-entropy over the classes) or "contrastive" (both towers, caption pairs).
    """

    alpha_max: Positive = 3.0
    alpha_steps: Count = 12
    epochs: Count = 4
    learning_rate: Positive | None = None
    batch_size: BatchSize | None = None
    anchor: NonNegative = 0.0
    loss: Literal["zero_shot", "contrastive"] = "zero_shot"

    @property
    def needs(self) -> frozenset["Need"]:
        anchored: frozenset[Need] = frozenset({"clean_pairs", "labels"}) if self.anchor > 0 else frozenset()
        return frozenset({"triggered_pairs"}) | anchored

    def _forget_set(self, context: "Context") -> Pairs:
        triggered = context.triggered_pairs
        if self.anchor <= 0:
            return triggered
        clean = context.clean_pairs
        count = min(len(clean), round(self.anchor * len(triggered)))
        return concatenated(triggered, clean.take(torch.arange(count)))

    def __call__(self, model: "Clip", context: "Context") -> Iterator[Point]:
        zero_shot = self.loss == "zero_shot"
        snapshots = context.train(
            model,
            self._forget_set(context),
            loss=_class_loss(model, context) if zero_shot else None,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            parts="vision" if zero_shot else "both",
        )
        *_, tuned = snapshots
        vector = difference(tuned, model)
        for step in range(1, self.alpha_steps + 1):
            alpha = self.alpha_max * step / self.alpha_steps
            yield Point(alpha, applied(model, vector, -alpha))
