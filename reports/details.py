"""What a reader may want to know of a single cell beside its numbers; what many cells share is kept once."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Mapping
from typing import Any

from benchmark.results import Result

_EXACT = 2**53
"""Integers from here on are text, because a browser would round them."""
_JUDGEMENT = {"accepted", "reason"}


class Pool:
    """Values by number, equal ones once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._places: dict[Hashable, int] = {}

    def add(self, value: Any) -> int:
        """The number of a value, which is kept as JSON can hold it."""
        key = (type(value), value) if isinstance(value, str | int | float) else json.dumps(value, default=str)
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = len(self.values)
            self.values.append(plain(value))
        return place

    def packed(self, entries: Mapping[str, Any]) -> list[int]:
        """The number of the tuple of names, then one number per value in the order of the names."""
        return [self.add(list(entries)), *map(self.add, entries.values())]


class Details:
    """Parameters, provenance and failures of all cells, as JSON can hold them.

    Attributes:
        pool: what the numbers in ``cells`` refer to.
        cells: by cell and name; a text is one number, a mapping is packed, and a missing cell has no entry.
    """

    def __init__(self) -> None:
        self.pool = Pool()
        self.cells: dict[int, dict[str, Any]] = {}

    def add(self, cell: int, result: Result) -> None:
        """Takes from a result what the frames do not hold; empty entries are left out."""
        found: dict[str, Any] = {
            "traceback": self._text(result.traceback),
            "parameters": self.pool.packed(result.resolved),
            "gate": self.pool.packed(_rounded(result.gate.model_dump(exclude=_JUDGEMENT))) if result.gate else None,
            "pairs_seen": result.cost.pairs_seen,
            "schema_version": result.schema_version,
        }
        if result.provenance is not None:
            known = result.provenance
            found |= {
                "git_commit": self._text(known.git_commit or ""),
                "packages": self.pool.packed(known.packages),
                "plugins": self.pool.packed(known.plugins),
                "seeds": self.pool.packed(known.seeds),
                "keys": self.pool.packed(known.keys),
                "stage_seconds": self.pool.packed(_rounded(known.stage_seconds)),
            }
        self.cells[cell] = {name: value for name, value in found.items() if value is not None}

    def _text(self, text: str) -> int | None:
        return self.pool.add(text) if text else None


def plain(value: Any) -> Any:
    """A value that JSON can hold and a browser reads without loss; what is not finite or too large becomes text."""
    if isinstance(value, Mapping):
        return {str(name): plain(inside) for name, inside in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inside) for inside in value]
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) < _EXACT else str(value)
    return value if isinstance(value, float) and math.isfinite(value) else str(value)


def _rounded(numbers: Mapping[str, float]) -> dict[str, Any]:
    return {name: plain(float(f"{number:.4g}")) for name, number in numbers.items()}
