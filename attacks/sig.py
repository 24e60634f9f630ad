"""SIG, a sinusoidal signal added to every row (arXiv 1902.11237), in the dirty-label form used against CLIP.

Differs from the paper: captions of the poisoned images become the target's (the original keeps its labels and poisons
the target class alone), as in the CleanCLIP and BadCLIP repositories. Those add 60/255; the default is the 40/255 of
BackdoorBench.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.ranges import Positive, ShareOrZero


@dataclass(frozen=True, kw_only=True)
class Sig:
    """Vertical waves: amplitude * sin(2 pi * frequency * column / width), the same for all rows and channels.

    Args:
        target: class that the trigger must elicit.
        amplitude: of the wave, in pixels of [0, 1]; at most 60/255 in the literature, 0 leaves the image as it is.
        frequency: periods across the image.
    """

    target: str = "banana"
    amplitude: ShareOrZero = 40 / 255
    frequency: Positive = 6.0

    def trigger(self, images: Tensor, ids: Tensor) -> Tensor:
        width = images.shape[-1]
        wave = self.amplitude * torch.sin(torch.arange(width) * (2 * math.pi * self.frequency / width))
        return (images + wave.to(images)).clamp(0, 1)
