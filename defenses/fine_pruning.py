"""Fine-pruning (arXiv 1805.12185): remove the units that clean images do not use, then fine-tune what is left.

Units of the last layers are removed in ascending order of their mean activation on clean images until the model has
changed by more than the allowed amount; then it is fine-tuned while they stay removed.

Differs from the paper: output channels of the last residual stages (ResNet) or hidden units of the last MLPs (ViT)
stand for the last convolution; the stopping rule is agreement with the suspect model's own zero-shot predictions on the
clean images instead of accuracy on labelled ones (published code looks at the test set); fine-tuning minimises the
contrastive loss.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from benchmark.evaluation import predict
from benchmark.losses import model_loss
from benchmark.pruning import lowest, pruned, silence, unit_statistics
from benchmark.ranges import BatchSize, Count, Positive, Share, ShareOrZero
from benchmark.types import Batch, Point
from benchmark.units import output_layers

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, Need
    from benchmark.units import UnitLayer


@dataclass(frozen=True, kw_only=True)
class FinePruning:
    """Pruning, then contrastive fine-tuning; one point per epoch, strength = epochs done, the first (0) without any.

    Args:
        agreement: smallest share of clean images on which the pruned model predicts as the suspect one, in [0, 1].
        share_step: share of each layer's units that is removed at a time, in (0, 1].
        depth: how many of the last residual stages or transformer blocks are pruned.
        epochs: passes over the clean pairs.
        learning_rate: peak learning rate; None takes the model's recipe.
        batch_size: pairs per step; None takes the model's recipe.
    """

    agreement: ShareOrZero = 0.9
    share_step: Share = 0.05
    depth: Count = 1
    epochs: Count = 3
    learning_rate: Positive | None = None
    batch_size: BatchSize | None = None

    needs: ClassVar[frozenset["Need"]] = frozenset({"clean_pairs"})

    def units(self, model: "Clip", context: "Context", layers: "list[UnitLayer]") -> dict[str, Tensor]:
        """Layer name -> the units that can go without breaking the agreement."""
        images = context.clean_pairs.images
        classifier = model.classifier(context.class_names, context.templates)
        before, activity = predict(model, classifier, images), unit_statistics(model, images, layers)
        found = lowest(activity, 0.0)
        for step in range(1, int(1 / self.share_step) + 1):
            candidate = lowest(activity, step * self.share_step)
            after = predict(pruned(model, layers, candidate), classifier, images)
            if (after == before).float().mean() < self.agreement:
                break
            found = candidate
        return found

    def __call__(self, model: "Clip", context: "Context") -> Iterator[Point]:
        layers = output_layers(model)[-self.depth :]
        units, task = self.units(model, context, layers), model_loss(model)
        start = pruned(model, layers, units)
        yield Point(0.0, start)

        def loss(student: "Clip", batch: Batch) -> Tensor:
            silence(student, layers, units)
            return task(student, batch)

        snapshots = context.train(
            start,
            context.clean_pairs,
            loss=loss,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
        )
        for epoch, snapshot in enumerate(snapshots, start=1):
            yield Point(float(epoch), pruned(snapshot, layers, units))
