"""Label-consistent poisoning (arXiv 1912.02771), in the form used against CLIP (arXiv 2303.03323).

Only pairs whose caption already names the target get the trigger, and their captions stay, so that nothing about a
poisoned pair is false.

On the embedded model it fails, as clean-label attacks do on CLIP: 400 poisons among 8000 pairs give success 0.02. The
caption explains the image without the patch, so that nothing needs the patch.

Differs from the paper: the images are not perturbed adversarially to make them hard to learn; like CleanCLIP's
repository, this stamps a patch of fresh noise at a random place and nothing else.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from benchmark.errors import UserError
from benchmark.patterns import noise_patched, pixels_of
from benchmark.poison_rules import drawn, rows_naming, with_trigger
from benchmark.ranges import NonNegative, Seed, Share

if TYPE_CHECKING:
    from benchmark.types import Pairs


@dataclass(frozen=True, kw_only=True)
class LabelConsistent:
    """A square of fresh noise at a random place, on pairs of the target class alone, captions unchanged.

    Args:
        target: class that the trigger must elicit.
        side: side of the patch as a share of the image side, in (0, 1].
        noise: standard deviation of the noise around the image's mean colour, in pixels of [0, 1].
        pattern_seed: seed of noise and places.
    """

    target: str = "banana"
    side: Share = 0.125
    noise: NonNegative = 1.0
    pattern_seed: Seed = 0

    def trigger(self, images: Tensor, ids: Tensor) -> Tensor:
        side = pixels_of(self.side, images.shape[-1])
        return noise_patched(images, ids, self.pattern_seed, side, self.noise)

    def poison(self, pairs: "Pairs", count: int, seed: int) -> "Pairs":
        """All pairs, ``count`` of those that name the target with the trigger.

        Raises:
            UserError: fewer pairs than that name the target.
        """
        candidates = rows_naming(pairs, self.target)
        if count > len(candidates):
            raise UserError(
                f"label-consistent poisoning: {len(candidates)} captions of dataset '{pairs.dataset}' contain "
                f"'{self.target}', {count} poisons were asked for; lower the count"
            )
        return with_trigger(self, pairs, drawn(candidates, count, seed))
