"""Sizes, fonts, colours and markers that all figures share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure

from benchmark.errors import UserError, did_you_mean

FONT = "DejaVu Sans"
INK = "#222222"
GREY = "#8C8C8C"
PALE = "#D9D9D9"
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#332288")
_ATTACKS = ("#882255", "#44AA99", "#DDAA33", "#332288", "#CC6677", "#117733", "#88CCEE", "#AA4499")
_MARKERS = ("o", "s", "^", "D", "v", "P", "<", ">")
_LINES = ("--", ":", "-.")


@dataclass(frozen=True)
class Style:
    """A medium: ``width`` and panel sizes in inches, fonts in points."""

    width: float
    columns: int
    panel_height: float
    row_height: float
    font: float
    small: float
    line: float
    marker: float
    dpi: int

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Sets fonts and lines for the length of a with-block, with fonts embedded as TrueType in PDF."""
        settings = {
            **sns.axes_style("ticks"),
            "font.family": "sans-serif",
            "font.sans-serif": [FONT],
            "font.size": self.font,
            "axes.titlesize": self.font,
            "axes.labelsize": self.font,
            "xtick.labelsize": self.small,
            "ytick.labelsize": self.small,
            "legend.fontsize": self.small,
            "legend.frameon": False,
            "legend.handlelength": 1.6,
            "legend.handletextpad": 0.5,
            "legend.columnspacing": 1.0,
            "legend.labelspacing": 0.3,
            "axes.linewidth": self.line * 0.6,
            "xtick.major.width": self.line * 0.6,
            "ytick.major.width": self.line * 0.6,
            "xtick.major.size": self.font * 0.35,
            "ytick.major.size": self.font * 0.35,
            "xtick.major.pad": self.font * 0.25,
            "ytick.major.pad": self.font * 0.25,
            "axes.labelpad": self.font * 0.3,
            "axes.titlepad": self.font * 0.4,
            "lines.linewidth": self.line,
            "lines.markersize": self.marker,
            "hatch.linewidth": self.line * 0.5,
            "pdf.fonttype": 42,
        }
        with mpl.rc_context(settings):
            yield

    def figure(self, height: float) -> Figure:
        return Figure(figsize=(self.width, height), dpi=self.dpi)


STYLES = {
    "paper": Style(
        width=3.3, columns=2, panel_height=1.3, row_height=0.23, font=7, small=6, line=1.0, marker=3.5, dpi=300
    ),
    "slides": Style(
        width=12, columns=4, panel_height=2.9, row_height=0.52, font=15, small=13, line=2.2, marker=8, dpi=120
    ),
}


def style_named(name: str) -> Style:
    """The style of a medium.

    Raises:
        UserError: there is no such style.
    """
    if name not in STYLES:
        raise UserError(f"no figure style named '{name}'; {did_you_mean(name, STYLES)}")
    return STYLES[name]


@dataclass(frozen=True)
class Mark:
    """How one method looks in every figure; ``edge`` outlines the marker."""

    colour: str
    marker: str
    line: str = "-"
    edge: str = "white"


class Marks:
    """Colour and marker by defense, line and outline by trigger source; functions of the plan's sorted names alone."""

    def __init__(self, defenses: Iterable[str], sources: Iterable[str] = ()) -> None:
        self._defenses = sorted(set(defenses) - {"none"})
        self._inverters = sorted(set(sources) - {"none", "given"})

    def of(self, defense: str, source: str = "none") -> Mark:
        """The mark of a method; "none" is grey."""
        if defense == "none":
            return Mark(GREY, "X")
        place = self._defenses.index(defense)
        colour, marker = _COLOURS[place % len(_COLOURS)], _MARKERS[place % len(_MARKERS)]
        if source not in self._inverters:
            return Mark(colour, marker)
        return Mark(colour, marker, _LINES[self._inverters.index(source) % len(_LINES)], INK)


def attack_colours(attacks: Iterable[str]) -> dict[str, str]:
    """A colour per attack where there are few enough of them, else none; other colours than those of defenses."""
    names = sorted(set(attacks))
    return dict(zip(names, _ATTACKS, strict=False)) if len(names) <= len(_ATTACKS) else {}
