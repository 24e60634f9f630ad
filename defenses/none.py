"""No defense: the control that every other row is read against. Ours; there is no paper to differ from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, Need, Point


@dataclass(frozen=True, kw_only=True)
class NoDefense:
    """Returns the suspect model as it is, as the only point."""

    needs: ClassVar[frozenset["Need"]] = frozenset()

    def __call__(self, model: "Clip", context: "Context") -> Iterator["Point | tuple[float, Clip]"]:
        yield 0.0, model
