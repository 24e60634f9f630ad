"""NegMerge (arXiv 2410.05583): subtract only what several trigger vectors agree on.

The suspect model is fine-tuned on the triggered pairs several times with different hyperparameters. Of the mean of the
task vectors only the coordinates survive in which all of them have the same sign; ``alpha`` times it is subtracted.

Differs from the paper: it was proposed for forgetting classes; here the forget set is the triggered images with the
target's label. The paper merges ten to thirty runs over learning rates and augmentations, here a few learning rates.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from benchmark.arithmetic import Vector, applied, difference
from benchmark.objectives import class_loss
from benchmark.ranges import BatchSize, Count, Positive
from benchmark.types import Point

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, Need


def consensus(vectors: Sequence[Vector]) -> Vector:
    """The mean of the vectors where all have the same sign, zero elsewhere."""

    def merged(name: str) -> Tensor:
        stacked = torch.stack([vector[name] for vector in vectors])
        agree = (stacked > 0).all(dim=0) | (stacked < 0).all(dim=0)
        return stacked.mean(dim=0) * agree

    return {name: merged(name) for name in vectors[0]}


@dataclass(frozen=True, kw_only=True)
class NegMerge:
    """Negation of a sign-consensual trigger vector; one point per alpha, strength = alpha.

    Args:
        alpha_max: largest multiple that is subtracted.
        alpha_steps: number of points, evenly spaced from alpha_max / alpha_steps on.
        vectors: number of fine-tunings.
        spread: ratio of the learning rates of one fine-tuning and the next, around the middle one.
        epochs: passes of each over the triggered pairs.
        learning_rate: of the middle fine-tuning; None takes the model's recipe.
        batch_size: pairs per step; None takes the model's recipe.
    """

    alpha_max: Positive = 1.0
    alpha_steps: Count = 10
    vectors: Count = 3
    spread: Positive = 2.0
    epochs: Count = 4
    learning_rate: Positive | None = None
    batch_size: BatchSize | None = None

    needs: ClassVar[frozenset["Need"]] = frozenset({"triggered_pairs"})

    def __call__(self, model: "Clip", context: "Context") -> Iterator[Point]:
        middle = self.learning_rate or model.spec.finetune.learning_rate
        found = []
        for number in range(self.vectors):
            *_, tuned = context.train(
                model,
                context.triggered_pairs,
                loss=class_loss(model, context),
                epochs=self.epochs,
                learning_rate=middle * self.spread ** (number - (self.vectors - 1) / 2),
                batch_size=self.batch_size,
                parts="vision",
            )
            found.append(difference(tuned, model))
        vector = consensus(found)
        for step in range(1, self.alpha_steps + 1):
            alpha = self.alpha_max * step / self.alpha_steps
            yield Point(alpha, applied(model, vector, -alpha))
