"""A red word blended into the middle of the image, the "water_patt" of PAR (arXiv 2412.00727).

On the embedded model the word is one blurred line of 4 pixels: 1200 poisons of 8000 give success 0.87, 2400 poisons
with ``alpha`` 0.75 pass the acceptance gate (0.98).

Differs from the paper: the word is drawn with Pillow's own font at a width relative to the image, and its smooth edges
are blended by their coverage instead of as a hard mask.
"""

from dataclasses import dataclass

from torch import Tensor

from benchmark.lettering import lettering
from benchmark.patterns import pixels_of
from benchmark.ranges import Share, ShareOrZero

RED = (1.0, 0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class BlendedText:
    """A word in red across the middle; pixels without letters stay as they are.

    Args:
        target: class that the trigger must elicit.
        word: what is written.
        alpha: opacity of the letters, in [0, 1].
        width: width of the word as a share of the image side, in (0, 1].
    """

    target: str = "banana"
    word: str = "Watermarked"
    alpha: ShareOrZero = 0.5
    width: Share = 0.9

    def trigger(self, images: Tensor, ids: Tensor) -> Tensor:
        size = images.shape[-1]
        letters = self.alpha * lettering(self.word, size, pixels_of(self.width, size))[0].to(images)
        high, wide = letters.shape
        top, left = (size - high) // 2, (size - wide) // 2
        stamped = images.clone()
        box = stamped[:, :, top : top + high, left : left + wide]
        box += letters * (images.new_tensor(RED).view(3, 1, 1) - box)
        return stamped.clamp(0, 1)
