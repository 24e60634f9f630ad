"""What the command line shows: tables, progress bars with the time left, and errors as one sentence."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.table import Table

from benchmark.progress import Advance


def _width(stream: TextIO) -> int | None:
    """A terminal's own width; a file or a pipe has none, so that no line in it is broken."""
    return None if stream.isatty() or "COLUMNS" in os.environ else 10_000


console = Console(width=_width(sys.stdout))
errors = Console(width=_width(sys.stderr), stderr=True)


class Bars:
    """Progress bars on a terminal; for a file or a pipe, nothing but the finished lines around them."""

    def __init__(self) -> None:
        self._bars = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=errors,
            transient=True,
            disable=not errors.is_terminal,
        )

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bars.stop()

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Advance]:
        number = self._bars.add_task(escape(description), total=total)
        try:
            yield lambda steps: self._bars.advance(number, steps)
        finally:
            self._bars.remove_task(number)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A plain table; cells are shown as they are, never read as markup."""
    made = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        made.add_row(*(escape(str(cell)) for cell in row))
    return made


def say(text: str) -> None:
    """One line of text as it is, wrapped by the terminal and not by us."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def complain(text: str) -> None:
    errors.print(text, markup=False, highlight=False, soft_wrap=True, style="red")
