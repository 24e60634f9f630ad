"""Blended injection of a tiling of grey triangles, the "tri_patt" of PAR (arXiv 2412.00727).

On the embedded model it passes the acceptance gate with ``tile`` and ``alpha`` 0.25 and 2400 poisons of 8000 (success
0.99); the default tile is two pixels there.

Differs from the paper: the tile is a share of the image side, the published 14 of 224 pixels by default; at 32 pixels
that is a tile of 2, in which no triangle can be seen.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.patterns import blended, pixels_of
from benchmark.ranges import Share, ShareOrZero

DARK, LIGHT = 0.4, 0.8


@dataclass(frozen=True, kw_only=True)
class BlendedTriangles:
    """The image mixed with square tiles, dark below their diagonal and light above it.

    Args:
        target: class that the trigger must elicit.
        alpha: share of the pattern in the mix, in [0, 1].
        tile: side of a tile as a share of the image side, in (0, 1].
    """

    target: str = "banana"
    alpha: ShareOrZero = 0.15
    tile: Share = 0.0625

    def trigger(self, images: Tensor, ids: Tensor) -> Tensor:
        size = images.shape[-1]
        place = torch.arange(size) % pixels_of(self.tile, size)
        lower = place[:, None] >= place[None, :]
        return blended(images, torch.where(lower, DARK, LIGHT), self.alpha)
