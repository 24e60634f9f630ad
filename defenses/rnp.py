"""RNP, reconstructive neuron pruning (arXiv 2305.14876): unlearn clean images, recover them with masks alone.

The model first unlearns clean labelled images by gradient ascent; masks that bring their accuracy back, with the
unlearned weights frozen, stay at 1 for units that clean images need and fall for those that only the backdoor needs.
Units with a small mask are removed from the original model.

Differs from the paper: cross-entropy over the zero-shot classes; the ascent ends where that loss reaches ln C or the
accuracy 2 / C, with AdamW at a rate for CLIP; the vision tower alone unlearns; fewer iterations of recovery.
Every threshold is a point, where the paper uses 0.7.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from benchmark.evaluation import accuracy
from benchmark.losses import zero_shot_cross_entropy
from benchmark.masking import MaskTraining, below, learnt_masks
from benchmark.objectives import class_loss
from benchmark.pruning import pruned
from benchmark.ranges import Count, Positive, Share
from benchmark.seeds import derive
from benchmark.types import Batch, Point
from benchmark.units import inner_layers

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, Need


@dataclass(frozen=True, kw_only=True)
class Rnp:
    """Pruning by masks that recover unlearned images; one point per threshold, strength = threshold.

    Args:
        unlearn_epochs: most passes of ascent over the labelled images.
        unlearn_learning_rate: of the ascent; a quick ascent wrecks the features that masks must recover. None takes the
            model's recipe.
        iterations: steps of mask training.
        learning_rate: of SGD on the masks.
        batch_size: images per step of mask training.
        loss_scale: factor of the recovery loss.
        threshold_max: largest threshold, in (0, 1]; units with at most this mask are removed.
        threshold_steps: number of points, evenly spaced from threshold_max / threshold_steps on.
    """

    unlearn_epochs: Count = 8
    unlearn_learning_rate: Positive | None = 1e-4
    iterations: Count = 150
    learning_rate: Positive = 0.2
    batch_size: Count = 128
    loss_scale: Positive = 0.2
    threshold_max: Share = 0.9
    threshold_steps: Count = 9

    needs: ClassVar[frozenset["Need"]] = frozenset({"clean_pairs", "labels"})

    def unlearned(self, model: "Clip", context: "Context") -> "Clip":
        """The model after bounded ascent on the class loss."""
        forget, classes, pairs = class_loss(model, context), len(context.class_names), context.clean_pairs

        def loss(student: "Clip", batch: Batch) -> Tensor:
            return (math.log(classes) - forget(student, batch)).clamp(min=0)

        found = model
        for snapshot in context.train(
            model,
            pairs,
            loss=loss,
            epochs=self.unlearn_epochs,
            learning_rate=self.unlearn_learning_rate,
            parts="vision",
        ):
            found = snapshot
            if accuracy(snapshot, pairs, context.templates) <= 2 / classes:
                break
        return found

    def __call__(self, model: "Clip", context: "Context") -> Iterator[Point]:
        layers = inner_layers(model)
        classifier = model.classifier(context.class_names, context.templates)

        def loss(student: "Clip", images: Tensor, labels: Tensor) -> Tensor:
            return zero_shot_cross_entropy(student, images, classifier, labels)

        how = MaskTraining(
            iterations=self.iterations,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            clean_share=self.loss_scale,
        )
        start = self.unlearned(model, context)
        masks = learnt_masks(start, layers, context.clean_pairs, loss, how, derive(context.seed, "masks"))
        for step in range(1, self.threshold_steps + 1):
            threshold = self.threshold_max * step / self.threshold_steps
            yield Point(threshold, pruned(model, layers, below(masks, threshold)))
