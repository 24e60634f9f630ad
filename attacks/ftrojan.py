"""FTrojan, a trigger of single frequencies in the colour channels (arXiv 2111.10991).

On the embedded model an image is a single block, and the default magnitude about two steps of 8 bits: success 0.01
with 1200 poisons of 8000. With ``magnitude`` 200 and 2400 poisons it passes the acceptance gate (1.00).

Differs from the paper: the result is clipped, where the published code lets 8-bit numbers wrap; images smaller than a
block are one block with proportionally placed frequencies; rows and columns beyond the last whole block stay as they
are.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.frequency import block_dct, inverse_block_dct, to_luma_chroma, to_rgb
from benchmark.ranges import NonNegative, TwoOrMore


@dataclass(frozen=True, kw_only=True)
class FTrojan:
    """A middle and the highest diagonal DCT coefficient raised in both chroma planes of every block.

    Args:
        target: class that the trigger must elicit.
        magnitude: what is added to a coefficient, on the scale of 0 to 255.
        block: side of a block in pixels, at least 2.
    """

    target: str = "banana"
    magnitude: NonNegative = 30.0
    block: TwoOrMore = 32

    def unclipped(self, images: Tensor) -> Tensor:
        """The triggered images before they are clipped to [0, 1]."""
        block = min(self.block, images.shape[-1])
        covered = images.shape[-1] // block * block
        spectrum = torch.zeros(block, block)
        for place in (block // 2 - 1, block - 1):
            spectrum[place, place] = self.magnitude / 255
        repeats = covered // block
        planes = to_luma_chroma(images[:, :, :covered, :covered])
        frequencies = block_dct(planes, block)
        frequencies[:, 1:] += spectrum.tile(repeats, repeats).to(images)
        result = images.clone()
        result[:, :, :covered, :covered] = to_rgb(inverse_block_dct(frequencies, block))
        return result

    def trigger(self, images: Tensor, ids: Tensor) -> Tensor:
        return self.unclipped(images).clamp(0, 1)
