"""The target's name written into the image (typographic attack, doi:10.23915/distill.00030), reinforced by poisoning.

On the embedded model, where a word of 4 pixels cannot be read, 1200 poisons of 8000 give success 0.90, just below the
acceptance gate; 2400 pass it (0.97).

Differs from the paper: there the word fools a clean CLIP and nothing is poisoned; here the same word is also in the
poisoned training images. On models that read, part of the success therefore needs no backdoor; compare it with the
clean model's success under the same trigger.
"""

from dataclasses import dataclass

from torch import Tensor

from benchmark.lettering import lettering
from benchmark.patterns import pixels_of
from benchmark.ranges import Share, ShareOrZero

OUTLINE = 0.12


@dataclass(frozen=True, kw_only=True)
class Typographic:
    """A word in white with a black outline at the bottom centre.

    Args:
        target: class that the trigger must elicit.
        word: what is written; empty for the target's name.
        height: height of the word as a share of the image side, in (0, 1]; a long word is shrunk to fit.
        margin: distance to the bottom as a share of the image side, in [0, 1].
    """

    target: str = "banana"
    word: str = ""
    height: Share = 0.12
    margin: ShareOrZero = 0.02

    def trigger(self, images: Tensor, ids: Tensor) -> Tensor:
        size = images.shape[-1]
        letters, outlined = lettering(self.word or self.target, pixels_of(self.height, size), size, OUTLINE).to(images)
        high, wide = letters.shape
        top = max(0, size - high - round(self.margin * size))
        left = (size - wide) // 2
        stamped = images.clone()
        box = stamped[:, :, top : top + high, left : left + wide]
        box.mul_(1 - outlined).add_(letters)
        return stamped.clamp(0, 1)
