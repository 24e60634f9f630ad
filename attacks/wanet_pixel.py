"""WaNet with one control point per pixel (arXiv 2102.10369), the setting of CleanCLIP and PAR (arXiv 2303.03323).

On the embedded model half a pixel of jitter is too faint: success 0.07 with 1200 poisons of 8000. With ``strength`` 4
and 2400 poisons it passes the acceptance gate (0.99).

Differs from the paper: the noise grid is as fine as the image (k = 224 in those repositories), so that the warp is
jitter that looks like noise along edges and leaves flat regions as they are, and there is no noise mode. The smooth
warp of the original is another attack.
"""

from dataclasses import dataclass

from torch import Tensor

from benchmark.ranges import NonNegative, Seed
from benchmark.warping import warp_field, warped


@dataclass(frozen=True, kw_only=True)
class WaNetPixel:
    """Every pixel read from a fixed random place beside it.

    Args:
        target: class that the trigger must elicit.
        strength: the paper's s; the mean displacement along each axis is half of it in pixels, at any image size.
            0 leaves the image as it is.
        pattern_seed: seed of the displacement field.
    """

    target: str = "banana"
    strength: NonNegative = 1.0
    pattern_seed: Seed = 0

    def trigger(self, images: Tensor, ids: Tensor) -> Tensor:
        size = images.shape[-1]
        displacement = warp_field(self.pattern_seed, size, size) * (self.strength * (size - 1) / (2 * size))
        return warped(images, displacement).clamp(0, 1)
