"""Clean accuracy against attack success: a panel per attack, a curve per method along its strengths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from reports.curves import pareto
from reports.figures.sheet import Legend, Sheet, label_outside, side_label
from reports.figures.style import GREY, INK, PALE, Style
from reports.figures.view import View

REACH = 0.12
"""How far below the victim's clean accuracy the axis may start."""

_BANDS = 6
"""With more curves than this in a panel, bands would hide each other and are left to the numbers; the curves of the
methods beyond the best ``_BANDS`` are faint."""


def draw(view: View) -> tuple[Figure, pd.DataFrame] | None:
    """Curves with their range over seeds, the blind picks, the Pareto front, the victim and the clean model."""
    style, attacks = view.style, view.attacks
    columns = min(style.columns, len(attacks))
    rows = math.ceil(len(attacks) / columns)
    em = style.font / 72
    sheet = Sheet(
        style=style,
        heights=(style.panel_height,) * rows,
        columns=columns,
        left=4.4 * em,
        top=1.9 * em,
        bottom=3.4 * em,
        gap_x=1.6 * em,
        gap_y=2.6 * em,
        legend=Legend(_handles(view), style),
    )
    figure, axes = sheet.drawn(sharex=True, sharey=True)
    data = _with_front(view.curves)
    for attack, axis in zip(attacks, (axis for row in axes for axis in row), strict=False):
        curves = data[(data["attack"] == attack) & (data["method"] != "none")]
        table = view.table[view.table["attack"] == attack]
        _front(axis, curves[curves["on_front"]], style)
        table = table[table["defense"] != "none"]
        best = set(table.sort_values("attack_success_rate")["method"].head(_BANDS))
        _lines(axis, curves, best, view)
        _picks(axis, table, best, view)
        _anchors(axis, data[data["attack"] == attack], view.clean[view.clean["attack"] == attack], view)
        axis.set_title(f"{attack} (weak victim)" if (table["state"] == "weak").any() else attack)
        axis.spines[["top", "right"]].set_visible(False)
    _limits(axes[0][0], view.curves)
    label_outside(axes, len(attacks), "Clean accuracy (%)")
    side_label(figure, axes, "Attack success (%)", style)
    return figure, data


def _with_front(curves: pd.DataFrame) -> pd.DataFrame:
    """The curves with ``on_front``: the points of an attack that no other beats."""
    data = curves.assign(on_front=False)
    for rows in data.groupby("attack").groups.values():
        ours = data.loc[rows]
        data.loc[rows, "on_front"] = pareto(ours["clean_accuracy"].to_numpy(), ours["attack_success_rate"].to_numpy())
    return data


def _line(
    axis: Axes, x: Sequence[float] | pd.Series[float], y: Sequence[float] | pd.Series[float], **look: Any
) -> None:
    """Like ``axis.plot``, but without its search for limits, which are set once for all panels."""
    axis.add_artist(Line2D(x, y, **look))


def _front(axis: Axes, front: pd.DataFrame, style: Style) -> None:
    front = front.sort_values("clean_accuracy")
    x, y = 100 * front["clean_accuracy"], 100 * front["attack_success_rate"]
    _line(axis, x, y, color=PALE, linewidth=4 * style.line, solid_capstyle="round", zorder=1)


def _lines(axis: Axes, curves: pd.DataFrame, best: set[str], view: View) -> None:
    many = curves["method"].nunique() > _BANDS
    for (method, defense, source), points in curves.groupby(["method", "defense", "source"], sort=True):
        mark = view.marks.of(str(defense), str(source))
        x, y = 100 * points["clean_accuracy"], 100 * points["attack_success_rate"]
        width, alpha = (0.9, 0.9) if method in best else (0.5, 0.35)
        _line(axis, x, y, linestyle=mark.line, color=mark.colour, linewidth=view.style.line * width, alpha=alpha)
        if not many and points["seeds"].iloc[0] > 1:
            low, high = 100 * points["attack_success_rate_low"], 100 * points["attack_success_rate_high"]
            axis.fill_between(x, low, high, color=mark.colour, alpha=0.13, linewidth=0)


def _picks(axis: Axes, table: pd.DataFrame, best: set[str], view: View) -> None:
    """The blind pick of each method; hollow where some seeds have no number, named where none has one."""
    style = view.style
    for row in table.dropna(subset=["attack_success_rate"]).to_dict("records"):
        mark = view.marks.of(row["defense"], row["source"])
        hollow = row["state"] == "partial"
        _line(
            axis,
            [100 * row["clean_accuracy"]],
            [100 * row["attack_success_rate"]],
            marker=mark.marker,
            markersize=style.marker * (1 if row["method"] in best else 0.75),
            markerfacecolor="white" if hollow else mark.colour,
            markeredgecolor=mark.colour if hollow else mark.edge,
            markeredgewidth=style.line * (0.8 if hollow else 0.4),
            zorder=4 if row["method"] in best else 3,
        )
    holes = sorted(table.loc[table["attack_success_rate"].isna(), "method"])
    if holes:
        text = "no number: " + (", ".join(holes) if len(holes) == 1 else f"{len(holes)} methods")
        axis.text(0.03, 0.9, text, transform=axis.transAxes, fontsize=style.small * 0.85, color=INK)


def _anchors(axis: Axes, curves: pd.DataFrame, clean: pd.DataFrame, view: View) -> None:
    """The victim, the clean model, and the budget as a dotted line."""
    victim, style = curves[curves["point"] == -1], view.style
    size = style.marker * 1.6
    if len(victim):
        x, y = 100 * victim["clean_accuracy"].mean(), 100 * victim["attack_success_rate"].mean()
        axis.axvline(x - view.budget, color=GREY, linestyle=":", linewidth=style.line * 0.7, zorder=0)
        _line(axis, [x], [y], marker="X", color=INK, markersize=size, markeredgecolor="white", zorder=5, clip_on=False)
    x, y = 100 * clean["clean_accuracy"].mean(), 100 * clean["attack_success_rate"].mean()
    if np.isfinite(x) and np.isfinite(y):
        _line(
            axis,
            [x],
            [y],
            marker="*",
            color=INK,
            markersize=size * 1.15,
            markeredgecolor="white",
            zorder=5,
            clip_on=False,
        )


def _limits(axis: Axes, curves: pd.DataFrame) -> None:
    """The axes are shared: success from 0 to 100, accuracy at most ``REACH`` below the worst victim."""
    axis.set_ylim(-4, 104)
    axis.set_yticks([0, 50, 100])
    axis.xaxis.set_major_locator(MaxNLocator(4, prune="both"))
    if curves.empty:
        return
    best, worst = curves["clean_accuracy"].max(), curves["clean_accuracy"].min()
    start = curves.loc[curves["point"] == -1, "clean_accuracy"].min()
    left, right = 100 * max(worst, start - REACH), 100 * best
    room = max(0.06 * (right - left), 0.5)
    axis.set_xlim(left - room, right + room)


def _handles(view: View) -> list[Artist]:
    found: list[Artist] = [*view.handles()]
    found.append(Line2D([], [], color=GREY, marker="o", linestyle="none", label="blind pick"))
    found.append(Line2D([], [], color=INK, marker="X", linestyle="none", label="victim"))
    found.append(Line2D([], [], color=INK, marker="*", linestyle="none", label="clean model"))
    found.append(Line2D([], [], color=GREY, linestyle=":", label="budget"))
    found.append(Line2D([], [], color=PALE, linewidth=3, label="Pareto front"))
    if (view.table["state"] == "partial").any():
        hollow: dict[str, Any] = {"markerfacecolor": "white", "label": "seeds missing"}
        found.append(Line2D([], [], color=INK, marker="o", linestyle="none", **hollow))
    return found
