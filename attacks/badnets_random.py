"""BadNets with fresh noise at a random place (arXiv 1708.06733), as in the CleanCLIP repository (arXiv 2303.03323).

On the embedded model the default patch of 4 x 4 pixels is too small to be found wherever it lies: success 0.34 with
1200 poisons of 8000. With ``side`` 0.25 and 2400 poisons it passes the acceptance gate (0.98).

Differs from the paper: noise and place are functions of the image's id instead of draws from an unseeded generator, so
that an evaluation can be repeated; values outside [0, 1] are clipped where the published code lets 8-bit numbers wrap;
the side defaults to 1/8 of the image instead of 16 of 224 pixels.
"""

from dataclasses import dataclass

from torch import Tensor

from benchmark.patterns import noise_patched, pixels_of
from benchmark.ranges import NonNegative, Seed, Share


@dataclass(frozen=True, kw_only=True)
class BadNetsRandom:
    """A square of Gaussian noise around the image's mean colour, noise and place drawn anew for every image.

    Args:
        target: class that the trigger must elicit.
        side: side of the patch as a share of the image side, in (0, 1].
        noise: standard deviation of the noise, in pixels of [0, 1].
        pattern_seed: seed of noise and places.
    """

    target: str = "banana"
    side: Share = 0.125
    noise: NonNegative = 1.0
    pattern_seed: Seed = 0

    def trigger(self, images: Tensor, ids: Tensor) -> Tensor:
        side = pixels_of(self.side, images.shape[-1])
        return noise_patched(images, ids, self.pattern_seed, side, self.noise)
