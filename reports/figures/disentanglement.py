"""Weight disentanglement error over the multiples of two task vectors: a heat map per attack, one colour scale."""

from __future__ import annotations

import math

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from reports.figures.sheet import Legend, Sheet, label_outside, side_label
from reports.figures.style import GREY, INK, PALE, Style
from reports.figures.view import View
from reports.findings import grids, of_study

MAP = "rocket_r"
_LEFT = 5.0
"""Margin for the label beside the panels, in multiples of the font."""

LARGEST = 2.0
"""xi is the sum of two shares of images."""

THRESHOLD = 0.1
"""Where the contour runs: five images in a hundred of each task are called something else."""

_AXES = {
    "disentanglement": ("Multiple of the clean task's vector", "Multiple of the trigger task's vector"),
    "disentanglement_backdoor": ("Multiple of the clean task's vector", "Multiple of (victim - benign twin)"),
    "disentanglement_victim": ("Multiple of the fine-tuning's vector", "Multiple of the trigger vector"),
}


def draw(view: View, study: str) -> tuple[Figure, pd.DataFrame] | None:
    """Means over seeds; the contour is at ``THRESHOLD``, the dotted square is [0, 1] x [0, 1]; both means as titles."""
    planned = of_study(view.findings, study)
    data = grids(view.findings, study)
    if planned.empty:
        return None
    attacks, style = sorted(planned["attack"].unique()), view.style
    columns = style.columns if len(attacks) in (1, 2, 4) else style.columns + 1
    rows, em = math.ceil(len(attacks) / columns), style.font / 72
    sheet = Sheet(
        style=style,
        heights=(_side(style, columns),) * rows,
        columns=columns,
        left=_LEFT * em,
        top=3.2 * em,
        bottom=8.0 * em,
        gap_x=0.9 * em,
        gap_y=3.6 * em,
        legend=Legend(_handles(), style),
    )
    figure, axes = sheet.drawn(sharex=True, sharey=True)
    means = data.groupby(["attack", "alpha_clean", "alpha_trigger"])["xi"].mean().reset_index()
    for attack, axis in zip(attacks, (axis for row in axes for axis in row), strict=False):
        ours = means[means["attack"] == attack]
        state = str(planned.loc[planned["attack"] == attack, "status"].iloc[0])
        if ours.empty:
            _hole(axis, state, style)
        else:
            _panel(axis, ours, style)
        weak = " (weak)" if attack in view.weak else ""
        axis.set_title(f"{attack}{weak}\n{_means(ours)}", fontsize=style.small)
    across, upwards = _AXES[study]
    label_outside(axes, len(attacks), "")
    figure.text(0.56, _above_legend(sheet, 5.0 * em), across, ha="center", va="bottom", fontsize=style.font)
    side_label(figure, axes, upwards, style)
    _colour_bar(figure, sheet, style)
    return figure, data


def _side(style: Style, columns: int) -> float:
    """Inches of a square panel that fills its column."""
    em = style.font / 72
    return (style.width - _LEFT * em - 0.06 * style.font / 7 - 0.9 * em * (columns - 1)) / columns


def _above_legend(sheet: Sheet, inches: float) -> float:
    assert sheet.legend is not None
    return (sheet.legend.height + inches) / sheet.height


def _panel(axis: Axes, points: pd.DataFrame, style: Style) -> None:
    values = points.pivot(index="alpha_trigger", columns="alpha_clean", values="xi")
    x, y = values.columns.to_numpy(dtype=float), values.index.to_numpy(dtype=float)
    half = (x[1] - x[0]) / 2
    extent = (x[0] - half, x[-1] + half, y[0] - half, y[-1] + half)
    axis.imshow(
        values, origin="lower", extent=extent, cmap=MAP, vmin=0, vmax=LARGEST, interpolation="nearest", aspect="auto"
    )
    if values.to_numpy().max() > THRESHOLD:
        axis.contour(x, y, values, levels=[THRESHOLD], colors=INK, linewidths=style.line * 0.8)
    axis.add_patch(Rectangle((0, 0), 1, 1, fill=False, edgecolor=GREY, linestyle=":", lw=style.line * 0.8))
    reach = math.floor(x[-1])
    axis.set_xticks([-reach, 0, reach] if reach else [x[0], 0, x[-1]])
    axis.set_yticks([-reach, 0, reach] if reach else [x[0], 0, x[-1]])


def _means(points: pd.DataFrame) -> str:
    """The mean error of the grid and, in brackets, of its points within the square."""
    if points.empty:
        return "no number"
    within = points["alpha_clean"].between(0, 1) & points["alpha_trigger"].between(0, 1)
    square = f" ({points.loc[within, 'xi'].mean():.2f})" if within.sum() > 1 else ""
    return f"mean {points['xi'].mean():.2f}{square}"


def _hole(axis: Axes, state: str, style: Style) -> None:
    axis.set_facecolor("white")
    axis.add_patch(
        Rectangle((0, 0), 1, 1, transform=axis.transAxes, facecolor="#F2F2F2", edgecolor=PALE, hatch="/////", lw=0)
    )
    axis.text(0.5, 0.5, state, transform=axis.transAxes, ha="center", va="center", fontsize=style.small, color=INK)


def _handles() -> list[Line2D]:
    return [
        Line2D([], [], color=INK, label=f"error {THRESHOLD:g}"),
        Line2D([], [], color=GREY, linestyle=":", label="0 to 1 times each (mean in brackets)"),
    ]


def _colour_bar(figure: Figure, sheet: Sheet, style: Style) -> None:
    em, left = style.font / 72, sheet.left / style.width
    axis = figure.add_axes((left, _above_legend(sheet, 3.4 * em), 0.95 - left, 0.6 * em / sheet.height))
    scale = ScalarMappable(Normalize(0, LARGEST), mpl.colormaps[MAP])
    bar = figure.colorbar(scale, cax=axis, orientation="horizontal", ticks=list(np.linspace(0, LARGEST, 5)))
    bar.set_label("Disentanglement error (0: neither task feels the other)", fontsize=style.small)
    bar.outline.set_visible(False)
