"""A contact sheet of triggers: each attack's image without it, with it, and the difference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reports.figures.style import FONT, GREY, INK

AMPLIFIED = 5
_HEADINGS = ("clean", "triggered", f"difference x {AMPLIFIED}")
_COLUMNS, _PICTURE, _GAP, _TEXT, _TOP, _SIDE = 3, 0.86, 0.05, 0.36, 0.32, 0.1
"""Blocks side by side; inches of a picture, between pictures, above them, above all, and at the sides."""


class Pictured(Protocol):
    """One trigger: pictures (H, W, 3) uint8, distance in dB."""

    @property
    def name(self) -> str: ...
    @property
    def settings(self) -> str: ...
    @property
    def clean(self) -> NDArray[np.uint8]: ...
    @property
    def triggered(self) -> NDArray[np.uint8]: ...
    @property
    def psnr(self) -> float: ...


def difference(clean: NDArray[np.uint8], triggered: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The absolute difference of two pictures, amplified and clipped, uint8."""
    change = np.abs(triggered.astype(np.int64) - clean.astype(np.int64))
    amplified: NDArray[np.uint8] = np.minimum(AMPLIFIED * change, 255).astype(np.uint8)
    return amplified


def draw(rows: Sequence[Pictured], dpi: int = 150) -> Figure:
    """The contact sheet, attacks in the given order down each of its columns."""
    lines = -(-len(rows) // _COLUMNS)
    block = 3 * _PICTURE + 2 * _GAP
    width = _COLUMNS * block + (_COLUMNS + 1) * 2 * _SIDE
    height = _TOP + lines * (_PICTURE + _TEXT) + _SIDE
    figure = Figure(figsize=(width, height), dpi=dpi, facecolor="white")
    for number, row in enumerate(rows):
        column, line = divmod(number, lines)
        left = 2 * _SIDE + column * (block + 2 * _SIDE)
        top = height - _TOP - line * (_PICTURE + _TEXT) - _TEXT
        _block(figure, row, left, top, headed=line == 0)
    return figure


def _block(figure: Figure, row: Pictured, left: float, top: float, *, headed: bool) -> None:
    width, height = figure.get_size_inches()
    words: dict[str, Any] = {"fontfamily": FONT, "va": "bottom", "color": INK}
    figure.text(left / width, (top + 0.15) / height, row.name, fontsize=7.5, fontweight="bold", **words)
    right = (left + 3 * _PICTURE + 2 * _GAP) / width
    distance = "unchanged" if np.isinf(row.psnr) else f"{row.psnr:.1f} dB"
    figure.text(right, (top + 0.15) / height, distance, fontsize=7, ha="right", **words)
    figure.text(left / width, (top + 0.035) / height, row.settings, fontsize=5.5, **{**words, "color": GREY})
    for place, picture in enumerate((row.clean, row.triggered, difference(row.clean, row.triggered))):
        x = left + place * (_PICTURE + _GAP)
        box = (x / width, (top - _PICTURE) / height, _PICTURE / width, _PICTURE / height)
        _picture(figure.add_axes(box), picture)
        if headed:
            middle = (x + _PICTURE / 2) / width
            figure.text(middle, (top + 0.36) / height, _HEADINGS[place], fontsize=6.5, ha="center", **words)


def _picture(axis: Axes, picture: NDArray[np.uint8]) -> None:
    axis.imshow(picture, interpolation="nearest")
    axis.set_axis_off()
