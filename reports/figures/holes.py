"""How cells without a number look in every heat map, and how they are named below it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Patch, Polygon, Rectangle

from reports.figures.style import GREY, INK, PALE, Style
from reports.matrix import LEFT_OUT

HOLES = {"failed": (GREY, ""), "skipped": ("#F2F2F2", "/////"), "missing": ("white", "")}
_LETTERS = {"failed": "F", "skipped": "S", "missing": "?"}
_DASH = "-"
PARTIAL = "#56B4E9"


def draw_left_out(axis: Axes, x: int, y: int, style: Style) -> None:
    """A combination that nobody asked for."""
    axis.text(x + 0.5, y + 0.5, _DASH, color=GREY, ha="center", va="center", fontsize=style.small)


def draw_hole(axis: Axes, x: int, y: int, state: str, style: Style) -> None:
    """A cell that has no number, with the letter of its state."""
    face, hatch = HOLES[state]
    axis.add_patch(Rectangle((x + 0.04, y + 0.06), 0.92, 0.88, facecolor=face, edgecolor=PALE, hatch=hatch, lw=0.5))
    look: dict[str, Any] = {"color": "white" if state == "failed" else INK, "fontsize": style.small}
    axis.text(x + 0.5, y + 0.5, _LETTERS[state], ha="center", va="center", **look)


def draw_state(axis: Axes, x: int, y: int, state: str, partial: str = PARTIAL) -> None:
    """Veils a weak victim's cell, and marks one that some seeds are missing from, in a colour that stands out."""
    if state == "weak":
        axis.add_patch(Rectangle((x + 0.04, y + 0.06), 0.92, 0.88, facecolor="white", alpha=0.75, lw=0))
        axis.add_patch(Rectangle((x + 0.06, y + 0.08), 0.88, 0.84, fill=False, edgecolor=GREY, linestyle="--", lw=0.6))
    if state == "partial":
        axis.add_patch(Polygon([(x + 0.72, y + 0.03), (x + 0.98, y + 0.03), (x + 0.98, y + 0.38)], color=partial))


def hole_handles(states: Iterable[str], partial: str = PARTIAL) -> list[Patch]:
    """Legend entries of the states that there are."""
    present = set(states)
    found = [
        Patch(facecolor=face, edgecolor=GREY, hatch=hatch, label=f"{_LETTERS[state]}: {state}")
        for state, (face, hatch) in HOLES.items()
        if state in present
    ]
    if "weak" in present:
        found.append(Patch(facecolor="white", edgecolor=GREY, linestyle="--", label="(n): weak victim"))
    if "partial" in present:
        found.append(Patch(facecolor=partial, edgecolor="none", label="some seeds missing"))
    if LEFT_OUT in present:
        found.append(Patch(facecolor="none", edgecolor="none", label=f"{_DASH}: left out by the matrix"))
    return found
