"""How many pairs a defense needs: success and clean accuracy at the blind pick against the number of pairs."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from reports.figures.sheet import Legend, Sheet, label_outside, side_label
from reports.figures.style import GREY, INK
from reports.figures.view import View
from reports.findings import data_budgets, of_study

_PAIRS = {"negation": "triggered pairs", "finetune": "clean pairs"}


def draw(view: View) -> tuple[Figure, pd.DataFrame] | None:
    """A panel per attack; means over seeds with their range, dotted the victim's success."""
    planned, data, style = of_study(view.findings, "data_budget"), data_budgets(view.findings), view.style
    if planned.empty:
        return None
    attacks, em = sorted(planned["attack"].unique()), style.font / 72
    columns = min(style.columns, len(attacks))
    sheet = Sheet(
        style=style,
        heights=(style.panel_height * 0.75,) * math.ceil(len(attacks) / columns),
        columns=columns,
        left=4.4 * em,
        top=1.9 * em,
        bottom=3.4 * em,
        gap_x=1.6 * em,
        gap_y=2.6 * em,
        legend=Legend(_handles(data, view), style),
    )
    figure, axes = sheet.drawn(sharex=True, sharey=True)
    for attack, axis in zip(attacks, (axis for row in axes for axis in row), strict=False):
        ours = data[data["attack"] == attack]
        if ours.empty:
            state = planned.loc[planned["attack"] == attack, "status"].iloc[0]
            axis.text(0.5, 0.5, state, transform=axis.transAxes, ha="center", va="center", fontsize=style.small)
        _panel(axis, ours, view)
        axis.set_title(f"{attack} (weak victim)" if attack in view.weak else attack)
    _scale(axes[0][0], data)
    label_outside(axes, len(attacks), "Pairs")
    side_label(figure, axes, "Rate at the blind pick (%)", style)
    return figure, data


def _panel(axis: Axes, rows: pd.DataFrame, view: View) -> None:
    style = view.style
    victim = rows[rows["method"] == "victim"]
    if len(victim):
        look: dict[str, Any] = {"color": GREY, "linestyle": ":", "lw": style.line}
        axis.axhline(100 * victim["attack_success_rate"].mean(), **look)
    for _, points in rows[rows["method"] != "victim"].groupby("method"):
        mark = view.marks.of(str(points["defense"].iloc[0]))
        for name, line in (("attack_success_rate", "-"), ("clean_accuracy", "--")):
            grouped = 100 * points.groupby("pairs")[name].agg(["mean", "min", "max"])
            axis.fill_between(grouped.index, grouped["min"], grouped["max"], color=mark.colour, alpha=0.15, lw=0)
            marker = mark.marker if line == "-" else "none"
            axis.plot(grouped.index, grouped["mean"], line, marker=marker, color=mark.colour, clip_on=False)
    axis.spines[["top", "right"]].set_visible(False)


def _scale(axis: Axes, data: pd.DataFrame) -> None:
    sizes = sorted(data.loc[data["pairs"] > 0, "pairs"].unique())
    axis.set_ylim(-4, 104)
    axis.set_yticks([0, 50, 100])
    if sizes:
        axis.set_xscale("log")
        axis.set_xlim(sizes[0] / 1.4, sizes[-1] * 1.4)
        axis.xaxis.set_major_locator(FixedLocator(sizes))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.set_xticklabels([f"{size:g}" for size in sizes])


def _handles(data: pd.DataFrame, view: View) -> list[Artist]:
    found: list[Artist] = []
    for method, defense in data.loc[data["method"] != "victim", ["method", "defense"]].drop_duplicates().to_numpy():
        mark = view.marks.of(defense)
        label = f"{defense} ({_PAIRS[method]})"
        found.append(Line2D([], [], color=mark.colour, marker=mark.marker, label=label))
    found.append(Line2D([], [], color=INK, label="attack success"))
    found.append(Line2D([], [], color=INK, linestyle="--", label="clean accuracy"))
    found.append(Line2D([], [], color=GREY, linestyle=":", label="victim's success"))
    return found
