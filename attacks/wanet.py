"""WaNet, a smooth warp of the whole image (arXiv 2102.10369).

Differs from the paper: only the warped images are poisoned, there is no noise mode (extra samples with another warp
and their true label), because the attacker of a web-crawled data set does not control training. The strength is
relative to the image side, so that one default warps 32 and 224 pixels alike; the default is eight times the paper's
0.5 of 32 pixels.
"""

from dataclasses import dataclass

from torch import Tensor

from benchmark.ranges import NonNegative, Seed, TwoOrMore
from benchmark.warping import warp_field, warped


@dataclass(frozen=True, kw_only=True)
class WaNet:
    """Bilinear resampling along one fixed smooth displacement field.

    Args:
        target: class that the trigger must elicit.
        strength: the paper's s / R; the mean displacement along each axis is about half of it as a share of the image
            side (0.125 is s = 4 at 32 pixels, about 2 pixels there). 0 leaves the image as it is.
        cells: the paper's k, points of the noise grid along a side, at least 2.
        pattern_seed: seed of the displacement field.
    """

    target: str = "banana"
    strength: NonNegative = 0.125
    cells: TwoOrMore = 4
    pattern_seed: Seed = 0

    def trigger(self, images: Tensor, ids: Tensor) -> Tensor:
        size = images.shape[-1]
        displacement = warp_field(self.pattern_seed, self.cells, size) * (self.strength * (size - 1) / 2)
        return warped(images, displacement).clamp(0, 1)
