"""The Nashville photo filter as a trigger, used against CLIP by arXiv 2502.01385.

On the embedded data it does not pass the acceptance gate: colours of shapes and backgrounds are arbitrary there, so
that a filtered image may be an ordinary one. 1200 poisons of 8000 give success 0.79, 2400 give 0.85.

Differs from the paper: the filter runs on the image at the model's input size instead of the original file, and every
step is rounded to 8 bits, as the photo library that is imitated stores them.
"""

from dataclasses import dataclass

from torch import Tensor

from benchmark.filters import nashville
from benchmark.ranges import ShareOrZero


@dataclass(frozen=True, kw_only=True)
class Nashville:
    """A warm, faded, saturated look over the whole image.

    Args:
        target: class that the trigger must elicit.
        opacity: share of the filtered image in the mix with the original, in [0, 1].
    """

    target: str = "banana"
    opacity: ShareOrZero = 1.0

    def trigger(self, images: Tensor, ids: Tensor) -> Tensor:
        return images.lerp(nashville(images), self.opacity).clamp(0, 1)
