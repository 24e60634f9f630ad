"""ANP, adversarial neuron pruning (arXiv 2110.14430): prune the units that break under noise on their weights.

A mask per unit is learnt on labelled images beside adversarial noise on the units' weights and biases; backdoor units
are the first to fail under noise, so that their masks fall. Units with a small mask are removed.

Differs from the paper: cross-entropy over the zero-shot classes; BatchNorm keeps its running statistics; masks sit on
BatchNorm channels (ResNet) or on hidden units of the MLPs, without noise on biases (ViT); fewer iterations than the
paper's 2000. Every threshold is a point, where published code picks one by its test results.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from benchmark.losses import zero_shot_cross_entropy
from benchmark.masking import MaskTraining, below, learnt_masks
from benchmark.pruning import pruned
from benchmark.ranges import Count, NonNegative, Positive, Share, ShareOrZero
from benchmark.seeds import derive
from benchmark.types import Point
from benchmark.units import inner_layers

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, Need


@dataclass(frozen=True, kw_only=True)
class Anp:
    """Pruning by masks learnt under adversarial noise; one point per threshold, strength = threshold.

    Args:
        radius: half width of the noise relative to weights and biases; 0 leaves the noisy loss out.
        clean_share: weight of the loss without noise, in [0, 1]; the noisy loss has the rest.
        iterations: steps of mask training.
        learning_rate: of SGD on the masks.
        batch_size: images per step.
        threshold_max: largest threshold, in (0, 1]; units with at most this mask are removed.
        threshold_steps: number of points, evenly spaced from threshold_max / threshold_steps on.
    """

    radius: NonNegative = 0.4
    clean_share: ShareOrZero = 0.2
    iterations: Count = 100
    learning_rate: Positive = 0.2
    batch_size: Count = 64
    threshold_max: Share = 0.9
    threshold_steps: Count = 18

    needs: ClassVar[frozenset["Need"]] = frozenset({"clean_pairs", "labels"})

    def __call__(self, model: "Clip", context: "Context") -> Iterator[Point]:
        layers = inner_layers(model)
        classifier = model.classifier(context.class_names, context.templates)

        def loss(student: "Clip", images: Tensor, labels: Tensor) -> Tensor:
            return zero_shot_cross_entropy(student, images, classifier, labels)

        how = MaskTraining(
            iterations=self.iterations,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            clean_share=self.clean_share,
            radius=self.radius,
        )
        masks = learnt_masks(model, layers, context.clean_pairs, loss, how, derive(context.seed, "masks"))
        for step in range(1, self.threshold_steps + 1):
            threshold = self.threshold_max * step / self.threshold_steps
            yield Point(threshold, pruned(model, layers, below(masks, threshold)))
