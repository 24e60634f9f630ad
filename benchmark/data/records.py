"""What every kind of source hands out: encoded images with what belongs to them, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


class Record(NamedTuple):
    """One row of a source. ``image`` is an encoded picture or its file, None where there is none.

    ``label`` is None and ``caption`` empty where the source has none.
    """

    row: int
    image: bytes | Path | None
    label: int | None
    caption: str


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Names of the columns to read; an empty one is not read.

    ``every_caption`` takes all texts of a list of texts, one a line, instead of one of them.
    """

    image: str
    label: str = ""
    caption: str = ""
    every_caption: bool = False


class Source(Protocol):
    """One split of a data set, in the order of its files."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """As the source spells them; empty where it names no classes."""

    @property
    def declared(self) -> bool:
        """Whether the class names are declared in every file, instead of gathered from the rows."""

    def __len__(self) -> int: ...

    def records(self, rows: Rows) -> Iterator[Record]:
        """The records at ``rows`` (N,), which ascend; read as a stream, a few at a time."""
