"""Ranks as a diagram: scores with intervals, and a bar over every tier whose members cannot be told apart."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.boards import Board
from reports.figures.sheet import Legend, Sheet, label_outside, text_width
from reports.figures.style import GREY, INK, Style
from reports.figures.view import View


def draw(view: View) -> tuple[Figure, pd.DataFrame] | None:
    """A block per level of knowledge, a row per method, the best first; methods without a rank below in grey."""
    boards, style = view.boards, view.style
    if not boards:
        return None
    em = style.font / 72
    names = (name for board in boards for name in board.rows["method"])
    sheet = Sheet(
        style=style,
        heights=tuple(len(board.rows) * style.row_height * 0.75 for board in boards),
        columns=1,
        left=text_width(names, style.small) + 0.8 * em,
        top=1.6 * em,
        bottom=3.4 * em,
        gap_y=2.2 * em,
        legend=Legend(_handles(), style),
    )
    figure, axes = sheet.drawn(sharex=True)
    for board, [axis] in zip(boards, axes, strict=True):
        _block(axis, board, view)
        axis.set_title(f"knows: {board.knowledge}", loc="left", fontsize=style.small, pad=2)
    label_outside(axes, len(boards), f"Success at the blind pick (%), budget {view.budget:g} points")
    axes[0][0].set(xlim=(-2, 112), xticks=[0, 25, 50, 75, 100])
    data = [board.rows.assign(knowledge=board.knowledge) for board in boards]
    return figure, pd.concat(data, ignore_index=True)


def _block(axis: Axes, board: Board, view: View) -> None:
    rows, style = board.rows, view.style
    for y, row in enumerate(rows.to_dict("records")):
        mark = view.marks.of(row["defense"], row["source"])
        ranked = row["unranked"] == ""
        if row["success"] == row["success"]:
            low, high = 100 * row["success_low"], 100 * row["success_high"]
            axis.hlines(y, low, high, color=mark.colour, lw=style.line * 0.9)
            face = mark.colour if ranked else "white"
            edge = mark.edge if ranked else mark.colour
            look: dict[str, Any] = {"markerfacecolor": face, "markeredgecolor": edge, "markeredgewidth": 0.4}
            axis.plot(100 * row["success"], y, marker=mark.marker, zorder=3, **look)
        if not ranked:
            _reason(axis, y, row["unranked"], style)
    for reference, line in zip(board.references.to_dict("records"), (":", "--"), strict=True):
        axis.axvline(100 * reference["success"], color=GREY, linestyle=line, lw=style.line * 0.7, zorder=0)
    _bars(axis, rows, style)
    axis.set_yticks(range(len(rows)), list(rows["method"]))
    for label, reason in zip(axis.get_yticklabels(), rows["unranked"], strict=True):
        label.set_color(GREY if reason else INK)
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right", "left"]].set_visible(False)


def _reason(axis: Axes, y: int, reason: str, style: Style) -> None:
    """Why a method has no rank, over a white ground so that the reference lines do not cross it."""
    ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
    axis.text(1, y, reason, fontsize=style.small * 0.9, color=GREY, va="center", bbox=ground)


def _bars(axis: Axes, rows: pd.DataFrame, style: Style) -> None:
    """A bar at the right from the first to the last member of every tier, with its rank."""
    for tier in sorted(rows["rank"].dropna().unique()):
        places = rows.index[rows["rank"] == tier]
        first, last = int(places.min()), int(places.max())
        axis.vlines(104, first - 0.3, last + 0.3, color=INK, lw=style.line * 2.2)
        where: dict[str, Any] = {"va": "center", "ha": "left", "fontsize": style.small}
        axis.text(106, (first + last) / 2, f"{tier:.0f}", **where)


def _handles() -> list[Line2D]:
    return [
        Line2D([], [], color=INK, lw=2.2, label="tied (rank)"),
        Line2D([], [], color=GREY, linestyle=":", label="victim"),
        Line2D([], [], color=GREY, linestyle="--", label="clean model"),
        Line2D([], [], color=GREY, marker="o", label="mean, 95 %"),
    ]
