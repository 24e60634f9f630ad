"""BadNets with a patch of coloured stripes at a random place, the "badnet_rs" of PAR (arXiv 2412.00727).

On the embedded model the default patch of 4 x 4 pixels is too small to be found wherever it lies: success 0.40 with
1200 poisons of 8000. With ``side`` 0.25 and 2400 poisons it passes the acceptance gate (0.96).

Differs from the paper: stripes and place are functions of the image's id instead of unseeded draws; the stripes are 0
and 1 at once, where the published code stores -1 and 1 and lets the 8-bit cast turn -1 into black; the side defaults
to 1/8 of the image instead of 16 of 224 pixels.
"""

from dataclasses import dataclass

from torch import Tensor

from benchmark.patterns import fresh_noise, fresh_places, pasted, pixels_of
from benchmark.ranges import Seed, Share


@dataclass(frozen=True, kw_only=True)
class BadNetsStripes:
    """A square of one-pixel vertical stripes in random pure colours, drawn anew for every image.

    Args:
        target: class that the trigger must elicit.
        side: side of the patch as a share of the image side, in (0, 1].
        pattern_seed: seed of stripes and places.
    """

    target: str = "banana"
    side: Share = 0.125
    pattern_seed: Seed = 0

    def trigger(self, images: Tensor, ids: Tensor) -> Tensor:
        size = images.shape[-1]
        side = pixels_of(self.side, size)
        stripes = (fresh_noise(self.pattern_seed, ids, (3, 1, side)) < 0.5).to(images)
        return pasted(images, stripes.expand(-1, -1, side, -1), fresh_places(self.pattern_seed, ids, size - side))
