"""RVPT, repulsive visual prompt tuning (arXiv 2412.20392): learn deep prompts that repel the features of the model.

The model stays frozen. Learnt tokens in the deeper blocks of the ViT are trained on a few labelled images per class
with the zero-shot cross-entropy plus the mean cosine similarity, over the prompted blocks, between the class tokens
with and without prompts.

Differs from the paper: there is no public code. AdamW replaces SGD at the same rate, and prompts start from a Gaussian
of deviation 0.02; the first prompted block is at a quarter of the depth, which is the paper's 3 of 12. The result
carries prompts, so that it is no plain open_clip model and fits the classes that it was trained on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from benchmark.losses import zero_shot_cross_entropy
from benchmark.objectives import frozen
from benchmark.prompts import prompted
from benchmark.pruning import observed
from benchmark.ranges import BatchSize, Count, NonNegative, Positive, ShareBelowOne
from benchmark.seeds import derive
from benchmark.types import Batch, Loss, Point
from benchmark.units import block_layers

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, Need
    from benchmark.units import UnitLayer


def few_shot_rows(labels: Tensor, shots: int, seed: int) -> Tensor:
    """Rows of at most ``shots`` images of every class, drawn from a seed."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    return torch.cat([order[labels[order] == label][:shots] for label in labels.unique()])


@dataclass(frozen=True, kw_only=True)
class Rvpt:
    """Prompt tuning with feature repelling; ``steps`` points evenly spaced over the epochs, strength = epochs done.

    Args:
        epochs: passes over the few images.
        steps: number of points, at most one per epoch.
        learning_rate: peak learning rate of the prompts.
        batch_size: images per step.
        shots: labelled images per class.
        prompts: tokens per block.
        depth: first prompted block as a share of all blocks, in [0, 1).
        alpha: weight of the repelling loss.
    """

    epochs: Count = 50
    steps: Count = 10
    learning_rate: Positive = 0.002
    batch_size: BatchSize = 32
    shots: Count = 16
    prompts: Count = 50
    depth: ShareBelowOne = 0.25
    alpha: NonNegative = 2.0

    needs: ClassVar[frozenset["Need"]] = frozenset({"clean_pairs", "labels"})
    architectures: ClassVar[frozenset[str]] = frozenset({"vit"})

    def objective(self, teacher: "Clip", layers: "list[UnitLayer]", classifier: Tensor) -> Loss:
        """The loss against the frozen suspect model over the prompted blocks."""

        def loss(model: "Clip", batch: Batch) -> Tensor:
            assert batch.labels is not None
            for name, parameter in model.module.named_parameters():
                parameter.requires_grad_(name.endswith("transformer.prompts"))
            ours: dict[str, Tensor] = {}
            theirs: dict[str, Tensor] = {}
            with torch.no_grad(), observed(teacher, layers, theirs.__setitem__):
                teacher.image_features(batch.images)
            with observed(model, layers, ours.__setitem__):
                told = zero_shot_cross_entropy(model, batch.images, classifier, batch.labels)
            near = [functional.cosine_similarity(ours[x.name][:, 0], theirs[x.name][:, 0], dim=1) for x in layers]
            return told + self.alpha * torch.stack(near).mean()

        return loss

    def __call__(self, model: "Clip", context: "Context") -> Iterator[Point]:
        pairs, blocks = context.clean_pairs, block_layers(model)
        assert pairs.labels is not None
        start = round(self.depth * len(blocks))
        classifier = model.classifier(context.class_names, ("a photo of a {}.",))
        snapshots = context.train(
            prompted(model, self.prompts, start, 0.02, derive(context.seed, "prompts")),
            pairs.take(few_shot_rows(pairs.labels, self.shots, derive(context.seed, "shots"))),
            loss=self.objective(frozen(model), blocks[start:], classifier),
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            parts="vision",
        )
        yielded = {round(self.epochs * step / self.steps) for step in range(1, self.steps + 1)}
        for epoch, snapshot in enumerate(snapshots, start=1):
            if epoch in yielded:
                yield Point(float(epoch), snapshot)
