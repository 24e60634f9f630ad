"""Blended injection of uniform noise (arXiv 1712.05526), redrawn for every image as in CleanCLIP (arXiv 2303.03323).

Differs from the paper: the noise is fresh for every image, so that the model must learn the texture and not one
pattern; it is a function of the image's id instead of an unseeded draw. A fixed pattern is another attack.
"""

from dataclasses import dataclass

from torch import Tensor

from benchmark.patterns import blended, fresh_noise
from benchmark.ranges import Seed, ShareOrZero


@dataclass(frozen=True, kw_only=True)
class BlendedNoise:
    """The image mixed with uniform noise of its own.

    Args:
        target: class that the trigger must elicit.
        alpha: share of the noise in the mix, in [0, 1].
        pattern_seed: seed of the noise.
    """

    target: str = "banana"
    alpha: ShareOrZero = 0.2
    pattern_seed: Seed = 0

    def trigger(self, images: Tensor, ids: Tensor) -> Tensor:
        return blended(images, fresh_noise(self.pattern_seed, ids, tuple(images.shape[1:])), self.alpha)
