"""Blended injection of one fixed pattern over the whole image (arXiv 1712.05526).

Differs from the paper: the pattern is a seeded grid of saturated colours, enlarged smoothly, instead of a copyrighted
cartoon, and training and test blend with the same ratio. CleanCLIP's repository redraws the pattern for every image;
that is another attack.
"""

from dataclasses import dataclass

from torch import Tensor

from benchmark.patterns import blended, low_resolution_pattern
from benchmark.ranges import Count, Seed, ShareOrZero


@dataclass(frozen=True, kw_only=True)
class Blended:
    """The image mixed with a fixed low-resolution pattern.

    Args:
        target: class that the trigger must elicit.
        alpha: share of the pattern in the mix, in [0, 1].
        cells: cells of the pattern along a side, at least 1.
        pattern_seed: seed of the pattern.
    """

    target: str = "banana"
    alpha: ShareOrZero = 0.2
    cells: Count = 8
    pattern_seed: Seed = 0

    def trigger(self, images: Tensor, ids: Tensor) -> Tensor:
        return blended(images, low_resolution_pattern(self.pattern_seed, self.cells, images.shape[-1]), self.alpha)
