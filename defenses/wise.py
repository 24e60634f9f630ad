"""Interpolation towards the public clean ancestor, as in WiSE-FT (arXiv 2109.01903).

The suspect model is a fine-tune of public weights, so (1 - alpha) of its weights plus alpha of theirs is a defense that
costs nothing; alpha = 1 is the ancestor itself. Whoever has the ancestor must beat this.

Differs from the paper: there the interpolation makes a fine-tune robust to shifts, here it dilutes a backdoor.
BatchNorm's running statistics are interpolated as well, so that both ends are the models themselves.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from benchmark.averaging import averaged
from benchmark.ranges import Count
from benchmark.types import Point

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, Need


@dataclass(frozen=True, kw_only=True)
class Wise:
    """Interpolation with the reference model; one point per alpha, strength = alpha in (0, 1].

    Args:
        steps: number of points, evenly spaced up to 1.
    """

    steps: Count = 10

    needs: ClassVar[frozenset["Need"]] = frozenset({"reference_model"})

    def __call__(self, model: "Clip", context: "Context") -> Iterator[Point]:
        for step in range(1, self.steps + 1):
            alpha = step / self.steps
            yield Point(alpha, averaged([model, context.reference_model], [1 - alpha, alpha]))
