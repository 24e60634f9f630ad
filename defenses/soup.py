"""WAG, the average of several fine-tunes of one ancestor (arXiv 2402.19334), a model soup (arXiv 2203.05482).

Backdoors of different models live in different weights, so that their mean dilutes each of them. The models must share
their initialisation.

Differs from the paper: language models there, CLIP here; BatchNorm's running statistics are averaged as well; every
number of siblings is a point.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from benchmark.averaging import averaged
from benchmark.errors import ClipdefenseError
from benchmark.types import Point

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, Need


@dataclass(frozen=True, kw_only=True)
class Soup:
    """The uniform mean with the first k siblings; one point per k, strength = k."""

    needs: ClassVar[frozenset["Need"]] = frozenset({"sibling_models"})

    def __call__(self, model: "Clip", context: "Context") -> Iterator[Point]:
        siblings = context.sibling_models
        if not siblings:
            raise ClipdefenseError("a soup needs at least one sibling model, and there is none; train one")
        for count in range(1, len(siblings) + 1):
            mixed = [model, *siblings[:count]]
            yield Point(float(count), averaged(mixed, [1 / len(mixed)] * len(mixed)))
