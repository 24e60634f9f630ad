"""NegGrad+ (arXiv 2302.09880): gradient ascent on the triggered pairs beside ordinary training on clean ones.

Differs from the paper: it was proposed for forgetting classes and samples. The ascent is bounded: the cross-entropy of
the triggered images towards the target is raised only up to ln C, that of a guess among C classes, because unbounded
ascent destroys the model within a few steps. The retained loss is the contrastive one, on clean pairs.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from benchmark.losses import symmetric_cross_entropy
from benchmark.objectives import shared_targets
from benchmark.pairs import concatenated
from benchmark.types import Batch, Loss, Point

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, Need


@dataclass(frozen=True, kw_only=True)
class GradientAscent:
    """Bounded ascent on triggered pairs, vision tower only; one point per epoch, strength = epochs done.

    Args:
        epochs: passes over triggered and clean pairs together.
        learning_rate: peak learning rate; None takes the model's recipe.
        batch_size: pairs per step; None takes the model's recipe.
        gamma: weight of the ascent.
    """

    epochs: int = 3
    learning_rate: float | None = None
    batch_size: int | None = None
    gamma: float = 1.0

    needs: ClassVar[frozenset["Need"]] = frozenset({"clean_pairs", "triggered_pairs"})

    def objective(self, model: "Clip", context: "Context", targets: Tensor, clean: int) -> Loss:
        """The loss on mixed batches: rows below ``clean`` are clean, ``targets`` (N,) holds the class of the others."""
        classifier, ceiling = (
            model.classifier(context.class_names, context.templates),
            math.log(len(context.class_names)),
        )

        def loss(student: "Clip", batch: Batch) -> Tensor:
            ours, theirs = batch.rows < clean, batch.rows >= clean
            embeddings, tokens = student.encode_images(batch.images), batch.tokens[ours]
            total = embeddings.sum() * 0.0
            if ours.any():
                texts, shared = student.encode_tokens(tokens), shared_targets(student, tokens)
                total = total + symmetric_cross_entropy(embeddings[ours], texts, student.logit_scale, shared)
            if theirs.any():
                logits = student.logit_scale.detach() * embeddings[theirs] @ classifier.T
                forget = functional.cross_entropy(logits, targets.to(logits.device)[batch.rows[theirs]])
                total = total + self.gamma * (ceiling - forget).clamp(min=0)
            return total

        return loss

    def __call__(self, model: "Clip", context: "Context") -> Iterator[Point]:
        clean, triggered = context.clean_pairs, context.triggered_pairs
        assert triggered.labels is not None
        targets = torch.cat([torch.zeros(len(clean), dtype=torch.long), triggered.labels])
        snapshots = context.train(
            model,
            concatenated(clean, triggered),
            loss=self.objective(model, context, targets, len(clean)),
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            parts="vision",
        )
        for epoch, snapshot in enumerate(snapshots, start=1):
            yield Point(float(epoch), snapshot)
