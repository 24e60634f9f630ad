"""What a method costs against what it removes."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from reports.figures.sheet import Legend, Sheet
from reports.figures.style import INK
from reports.figures.view import View

FLOOR = 0.1
"""Seconds at which cheaper methods are drawn."""

_KEPT = ["method", "defense", "source", "seconds", "clean_pairs", "success", "success_low", "success_high", "unranked"]


def draw(view: View) -> tuple[Figure, pd.DataFrame] | None:
    """Seconds (logarithmic where they differ tenfold) against the drop in success at the blind pick."""
    data = _data(view)
    style, shown = view.style, data.dropna(subset=["drop"])
    if shown.empty:
        return None
    handles = view.handles(shown.sort_values("method"))
    for handle in handles:
        handle.set_linestyle("none")
    em = style.font / 72
    legend = Legend(handles, style)
    sheet = Sheet(
        style=style,
        heights=(1.5 * style.panel_height,),
        columns=1,
        left=4.4 * em,
        top=1.9 * em,
        bottom=3.4 * em,
        legend=legend,
    )
    figure, [[axis]] = sheet.drawn()
    for row in shown.to_dict("records"):
        mark = view.marks.of(row["defense"], row["source"])
        x = max(row["seconds"], FLOOR)
        axis.vlines(x, 100 * row["drop_low"], 100 * row["drop_high"], color=mark.colour, lw=style.line * 0.7, alpha=0.6)
        look: dict[str, Any] = {"markersize": style.marker * 1.5, "markeredgecolor": mark.edge, "markeredgewidth": 0.4}
        axis.plot(x, 100 * row["drop"], marker=mark.marker, color=mark.colour, zorder=3, **look)
    _axes(axis, shown)
    missing = sorted(set(data["method"]) - set(shown["method"]))
    if missing:
        text = "no number: " + (", ".join(missing) if len(missing) < 3 else f"{len(missing)} methods")
        axis.text(0.02, 1.02, text, transform=axis.transAxes, fontsize=style.small, color=INK)
    return figure, data


def _data(view: View) -> pd.DataFrame:
    """One row per method: its cost, and how much lower success is than the victim's."""
    found = []
    for board in view.boards:
        victim = float(board.references["success"].iloc[0])
        rows = board.rows.loc[board.rows["defense"] != "none", _KEPT].assign(knowledge=board.knowledge)
        drops = {"drop": victim - rows["success"], "drop_low": victim - rows["success_high"]}
        found.append(rows.assign(**drops, drop_high=victim - rows["success_low"]))
    return pd.concat(found, ignore_index=True)


def _axes(axis: Axes, shown: pd.DataFrame) -> None:
    seconds = shown["seconds"].clip(lower=FLOOR)
    if seconds.max() > 10 * seconds.min():
        axis.set_xscale("log")
        axis.set_xlim(seconds.min() / 1.8, seconds.max() * 1.8)
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))
    else:
        axis.set_xlim(0, 1.1 * seconds.max())
    axis.axhline(0, color=INK, linewidth=0.5, zorder=0)
    low, high = 100 * shown["drop_low"].min(), 100 * shown["drop_high"].max()
    room = 0.06 * max(high - low, 10)
    axis.set(xlabel="Time of the defense (s)", ylabel="Drop in attack success (points)")
    axis.set_ylim(min(low, 0) - room, max(high, 0) + room)
    axis.spines[["top", "right"]].set_visible(False)
