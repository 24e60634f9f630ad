"""A planted proxy trigger, from injection-based vector subtraction, IBVS (arXiv 2510.08016).

The defender does not search for the trigger but plants one: a patch of noise at a random place with a random target,
in the hope that forgetting it takes the real one along, because backdoors share directions in weight space.

Differs from the paper: only the choice of the trigger is here; the defense that uses it does the planting. Side, place,
pattern and target come from the seed.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from benchmark.inversion import LearntTrigger
from benchmark.ranges import Share
from benchmark.seeds import derive

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Attack, Context, Need


@dataclass(frozen=True, kw_only=True)
class Planted:
    """An arbitrary patch that knows nothing of the model.

    Args:
        side: side of the patch as a share of the image side, in (0, 1].
    """

    side: Share = 0.125

    needs: ClassVar[frozenset["Need"]] = frozenset()

    def __call__(self, model: "Clip", context: "Context") -> "Attack":
        source, size = torch.Generator().manual_seed(derive(context.seed, "planted")), model.image_size
        side = max(1, round(self.side * size))
        top, left = torch.randint(size - side + 1, (2,), generator=source).tolist()
        mask, pattern = torch.zeros(1, size, size), torch.zeros(3, size, size)
        mask[:, top : top + side, left : left + side] = 1.0
        pattern[:, top : top + side, left : left + side] = torch.rand(3, side, side, generator=source)
        target = context.class_names[int(torch.randint(len(context.class_names), (1,), generator=source))]
        return LearntTrigger(target=target, mask=mask, pattern=pattern)
