"""Success and clean accuracy under every attack against strength: a panel per method that has a knob."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from reports.figures.sheet import Legend, Sheet, label_outside, side_label
from reports.figures.style import GREY, INK, Style, attack_colours
from reports.figures.view import View


def draw(view: View) -> tuple[Figure, pd.DataFrame] | None:
    """Every attack in its colour, success as a line and clean accuracy dashed.

    With more attacks than colours the means stand out, over the attacks that a method meets with all its points.
    """
    curves, style = view.curves, view.style
    curves = curves[curves["eligible"]] if curves["eligible"].any() else curves
    several = curves.groupby("method")["point"].transform("max") > 0
    curves = curves[several.to_numpy()]
    named = curves[["method", "defense", "source"]].drop_duplicates().sort_values("method")
    methods = [(str(method), str(defense), str(source)) for method, defense, source in named.to_numpy()]
    if not methods:
        return None
    colours = attack_colours(curves["attack"])
    columns = min(style.columns + 1, len(methods))
    rows = math.ceil(len(methods) / columns)
    em = style.font / 72
    sheet = Sheet(
        style=style,
        heights=(style.panel_height * 0.55,) * rows,
        columns=columns,
        left=4.4 * em,
        top=1.7 * em,
        bottom=3.4 * em,
        gap_x=1.2 * em,
        gap_y=3.2 * em,
        legend=Legend(_handles(colours), style),
    )
    figure, axes = sheet.drawn(sharey=True)
    for (method, defense, source), axis in zip(methods, (axis for row in axes for axis in row), strict=False):
        ours = curves[curves["method"] == method]
        if colours:
            _attacks(axis, ours, colours, style)
        else:
            _means(axis, ours, view.marks.of(defense, source).colour, style)
        _strengths(axis, ours)
        axis.set_title(method, fontsize=style.small)
    label_outside(axes, len(methods), "Strength", every=True)
    axes[0][0].set(ylim=(-4, 104), yticks=[0, 50, 100])
    side_label(figure, axes, "Rate (%)", style)
    return figure, curves


def _attacks(axis: Axes, curves: pd.DataFrame, colours: dict[str, str], style: Style) -> None:
    for attack, points in curves.groupby("attack"):
        look: dict[str, Any] = {"color": colours[str(attack)], "lw": style.line}
        axis.plot(points["strength"], 100 * points["attack_success_rate"], **look)
        axis.plot(points["strength"], 100 * points["clean_accuracy"], linestyle=(0, (2.2, 1.4)), **look)


def _means(axis: Axes, curves: pd.DataFrame, colour: str, style: Style) -> None:
    for _, points in curves.groupby("attack"):
        thin: dict[str, Any] = {"color": colour, "lw": style.line * 0.5, "alpha": 0.45}
        axis.plot(points["strength"], 100 * points["attack_success_rate"], **thin)
    grouped = curves.groupby("point")
    whole = grouped.size() == curves["attack"].nunique()
    means = grouped[["strength", "attack_success_rate", "clean_accuracy"]].mean()[whole]
    low, high = 100 * grouped["clean_accuracy"].min()[whole], 100 * grouped["clean_accuracy"].max()[whole]
    axis.fill_between(means["strength"], low, high, color=GREY, alpha=0.25, linewidth=0)
    axis.plot(means["strength"], 100 * means["clean_accuracy"], "--", color=INK, lw=style.line)
    axis.plot(means["strength"], 100 * means["attack_success_rate"], color=colour, lw=style.line * 1.4)


def _strengths(axis: Axes, curves: pd.DataFrame) -> None:
    strengths = np.sort(curves["strength"].unique())
    positive = strengths[strengths > 0]
    if len(positive) > 1 and positive.max() / positive.min() > 100:
        axis.set_xscale("symlog", linthresh=float(np.min(positive)))
    else:
        axis.xaxis.set_major_locator(MaxNLocator(3))
    axis.spines[["top", "right"]].set_visible(False)


def _handles(colours: dict[str, str]) -> list[Artist]:
    if not colours:
        return [
            Line2D([], [], color=GREY, lw=2, label="attack success (thin: single attacks)"),
            Line2D([], [], color=INK, linestyle="--", label="clean accuracy (band: range over attacks)"),
        ]
    found: list[Artist] = [Line2D([], [], color=colour, label=attack) for attack, colour in colours.items()]
    found.append(Line2D([], [], color=INK, label="attack success"))
    found.append(Line2D([], [], color=INK, linestyle="--", label="clean accuracy"))
    return found
