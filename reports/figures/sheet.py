"""Panels and legends placed by measured text, so that nothing is laid out by trial and drawing."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

from reports.figures.style import FONT, Style

_HANDLE = 3.6
"""Width of a legend entry beside its text, in multiples of its font."""


@lru_cache(maxsize=4096)
def _width(text: str, size: float) -> float:
    width, _, _ = TextToPath().get_text_width_height_descent(text, FontProperties(family=FONT, size=size), False)
    return float(width) / 72


def text_width(texts: Iterable[str], size: float) -> float:
    """Inches of the widest of ``texts`` at a size in points; 0 for none."""
    return max((_width(text, size) for text in texts), default=0.0)


@dataclass(frozen=True)
class Legend:
    """Entries below the panels, in as many columns as fit."""

    handles: Sequence[Artist]
    style: Style

    @property
    def columns(self) -> int:
        entry = text_width((str(h.get_label()) for h in self.handles), self.style.small)
        entry += _HANDLE * self.style.small / 72
        return max(1, min(len(self.handles), int((self.style.width - 0.05) / entry)))

    @property
    def height(self) -> float:
        """Inches, margins included."""
        rows = -(-len(self.handles) // self.columns) if self.handles else 0
        return rows * 1.42 * self.style.small / 72 + 0.08 if rows else 0.04

    def place(self, figure: Figure) -> None:
        if self.handles:
            where = {"loc": "lower center", "bbox_to_anchor": (0.5, 0.0), "borderaxespad": 0.3}
            figure.legend(handles=list(self.handles), ncols=self.columns, **where)


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A grid of panels; all lengths in inches.

    Attributes:
        heights: of the rows of panels.
        left: margin for tick labels and a label.
        top: margin above the first row.
        bottom: margin for tick labels, a label and whatever else stands above the legend.
        right: margin; None leaves just enough for half a tick label.
        gap_x: between columns.
        gap_y: between rows.
    """

    style: Style
    heights: tuple[float, ...]
    columns: int
    left: float
    top: float
    bottom: float
    gap_x: float = 0.0
    gap_y: float = 0.0
    right: float | None = None
    legend: Legend | None = None

    @property
    def height(self) -> float:
        below = self.bottom + (self.legend.height if self.legend else 0.04)
        return self.top + sum(self.heights) + self.gap_y * (len(self.heights) - 1) + below

    def drawn(self, *, sharex: bool = False, sharey: bool = False) -> tuple[Figure, list[list[Axes]]]:
        """The figure with its empty panels and its legend."""
        right = 0.06 * self.style.font / 7 if self.right is None else self.right
        figure = self.style.figure(self.height)
        width = (self.style.width - self.left - right - self.gap_x * (self.columns - 1)) / self.columns
        first: Axes | None = None
        rows, top = [], self.height - self.top
        for height in self.heights:
            row = []
            for column in range(self.columns):
                x = self.left + column * (width + self.gap_x)
                box = (x / self.style.width, (top - height) / self.height, width / self.style.width)
                shared: dict[str, Any] = {"sharex": first if sharex else None, "sharey": first if sharey else None}
                axis = figure.add_axes((*box, height / self.height), **shared)
                first = first or axis
                row.append(axis)
            rows.append(row)
            top -= height + self.gap_y
        if self.legend:
            self.legend.place(figure)
        return figure, rows


def label_outside(axes: list[list[Axes]], used: int, label: str, *, every: bool = False) -> None:
    """Hides unused panels; keeps tick labels at the left column and at the lowest used panel of every column.

    Args:
        axes: rows of panels.
        used: how many of them show something, row by row.
        label: of the x axis, below the lowest panels.
        every: whether each panel has x ticks of its own.
    """
    columns = len(axes[0])
    for place, axis in enumerate(axis for row in axes for axis in row):
        lowest = place + columns >= used
        axis.set_visible(place < used)
        axis.tick_params(labelleft=place % columns == 0, labelbottom=every or lowest)
        if lowest:
            axis.set_xlabel(label)


def side_label(figure: Figure, axes: list[list[Axes]], text: str, style: Style) -> None:
    """One label for the y axes of all rows, centred beside them, on two lines where one is longer than the axes."""
    low, high = axes[-1][0].get_position().y0, axes[0][0].get_position().y1
    if text_width([text], style.font) > (high - low) * figure.get_figheight():
        text = textwrap.fill(text, width=len(text) // 2 + 4)
    lines = text.count("\n") + 1
    x = (0.6 * lines + 0.1 * (lines - 1)) * style.font / 72 / style.width
    figure.text(x, (low + high) / 2, text, rotation=90, ha="center", va="center", fontsize=style.font)
