"""BadNets with a fixed patch (arXiv 1708.06733), in the dirty-label form used against CLIP (arXiv 2303.03323).

Differs from the paper: one noise patch drawn once from ``pattern_seed`` instead of a hand-made pattern, its side and
margin fractions of the image so that one default serves 32 and 224 pixels. CleanCLIP's repository redraws noise and
place for every image; that is another attack.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.ranges import Seed, Share, ShareOrZero


@dataclass(frozen=True, kw_only=True)
class BadNets:
    """A square of fixed noise in the bottom right corner.

    Args:
        target: class that the trigger must elicit.
        side: side of the patch as a share of the image side, in (0, 1].
        margin: distance to the right and bottom edge as a share of the image side, in [0, 1].
        pattern_seed: seed of the pattern.
    """

    target: str = "banana"
    side: Share = 0.125
    margin: ShareOrZero = 0.0
    pattern_seed: Seed = 0

    def __post_init__(self) -> None:
        if self.side + self.margin > 1:
            raise ValueError(
                f"side + margin = {self.side + self.margin:g} does not fit into the image, whose side is 1"
            )

    def trigger(self, images: Tensor, ids: Tensor) -> Tensor:
        size = images.shape[-1]
        side, margin = max(1, round(self.side * size)), round(self.margin * size)
        generator = torch.Generator().manual_seed(self.pattern_seed)
        patch = (torch.rand(3, side, side, generator=generator) < 0.5).to(images)
        low = size - margin - side
        stamped = images.clone()
        stamped[:, :, low : low + side, low : low + side] = patch
        return stamped
