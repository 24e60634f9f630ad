"""Activation pruning, the first half of fine-pruning (arXiv 1805.12185): remove what clean images do not use.

Units of the last layers are removed in ascending order of their mean activation on clean images: output channels of
the last residual stages of a ResNet, hidden units of the last MLPs of a ViT (magnitude of the activation there).

Differs from the paper: the paper prunes the last convolution of a classifier and stops where accuracy on held-out
data falls; here every share is a point and the picking is the benchmark's. No fine-tuning follows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from benchmark.pruning import lowest, pruned, unit_statistics
from benchmark.ranges import Count, Share
from benchmark.types import Point
from benchmark.units import output_layers

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, Need


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """Pruning by activation, without training or labels; one point per share, strength = share of units removed.

    Args:
        share_max: largest share of each layer's units that is removed, in (0, 1].
        share_steps: number of points, evenly spaced from share_max / share_steps on.
        depth: how many of the last residual stages or transformer blocks are pruned.
    """

    share_max: Share = 0.95
    share_steps: Count = 19
    depth: Count = 1

    needs: ClassVar[frozenset["Need"]] = frozenset({"clean_images"})

    def __call__(self, model: "Clip", context: "Context") -> Iterator[Point]:
        layers = output_layers(model)[-self.depth :]
        activity = unit_statistics(model.clone(), context.clean_images, layers)
        for step in range(1, self.share_steps + 1):
            share = self.share_max * step / self.share_steps
            yield Point(share, pruned(model, layers, lowest(activity, share)))
