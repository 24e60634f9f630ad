"""NegGrad+ (arXiv 2302.09880): gradient ascent on the triggered pairs beside ordinary training on clean ones.

Differs from the paper: it was proposed for forgetting classes and samples. The ascent is bounded: the cross-entropy of
the triggered images towards the target is raised only up to ln C, that of a guess among C classes, because unbounded
ascent destroys the model within a few steps. The retained loss is that of the protocol: the contrastive one on clean
pairs, or cross-entropy over the zero-shot classes where the clean pairs come with labels.
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
from benchmark.ranges import BatchSize, Count, NonNegative, Positive
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

    epochs: Count = 3
    learning_rate: Positive | None = None
    batch_size: BatchSize | None = None
    gamma: NonNegative = 1.0

    needs: ClassVar[frozenset["Need"]] = frozenset({"clean_pairs", "triggered_pairs"})

    def objective(self, model: "Clip", context: "Context", targets: Tensor, clean: int, labelled: bool = False) -> Loss:
        """The loss on mixed batches: rows below ``clean`` are clean, ``targets`` (N,) holds the class of the others.

        With ``labelled`` it holds that of the clean ones too, and they are retained by cross-entropy.
        """
        classifier = model.classifier(context.class_names, context.templates)
        ceiling = math.log(len(context.class_names))

        def class_loss(student: "Clip", embeddings: Tensor, rows: Tensor) -> Tensor:
            logits = student.logit_scale.detach() * embeddings @ classifier.T
            return functional.cross_entropy(logits, targets.to(logits.device)[rows])

        def loss(student: "Clip", batch: Batch) -> Tensor:
            ours, theirs = batch.rows < clean, batch.rows >= clean
            embeddings, tokens = student.encode_images(batch.images), batch.tokens[ours]
            total = embeddings.sum() * 0.0
            if ours.any() and labelled:
                total = total + class_loss(student, embeddings[ours], batch.rows[ours])
            elif ours.any():
                texts, shared = student.encode_tokens(tokens), shared_targets(student, tokens)
                total = total + symmetric_cross_entropy(embeddings[ours], texts, student.logit_scale, shared)
            if theirs.any():
                forget = class_loss(student, embeddings[theirs], batch.rows[theirs])
                total = total + self.gamma * (ceiling - forget).clamp(min=0)
            return total

        return loss

    def __call__(self, model: "Clip", context: "Context") -> Iterator[Point]:
        clean, triggered = context.clean_pairs, context.triggered_pairs
        assert triggered.labels is not None
        known = torch.zeros(len(clean), dtype=torch.long) if clean.labels is None else clean.labels
        targets = torch.cat([known, triggered.labels])
        snapshots = context.train(
            model,
            concatenated(clean, triggered),
            loss=self.objective(model, context, targets, len(clean), clean.labels is not None),
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            parts="vision",
        )
        for epoch, snapshot in enumerate(snapshots, start=1):
            yield Point(float(epoch), snapshot)
