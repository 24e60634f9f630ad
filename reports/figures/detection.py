"""Detector x attack: AUROC as colour around chance, a block of rows for each sort of thing that is scored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from reports.detection import SCORED
from reports.figures.holes import HOLES, draw_hole, draw_state, hole_handles
from reports.figures.sheet import Legend, Sheet, text_width
from reports.figures.style import INK, Style

MAP = "vlag_r"
_PARTIAL = "#E69F00"
_STRONG = 0.38
"""Distance from chance above which the colour is dark enough for white letters."""

_SLANT = 40


def draw(table: pd.DataFrame, style: Style) -> Figure | None:
    """The best detector of each block first.

    Args:
        table: ``by_attack`` of a detection board.
        style: the medium.
    """
    if table.empty:
        return None
    order, attacks = _order(table), sorted(table["attack"].unique())
    em = style.font / 72
    left = text_width((row for row in order["detector"] if row), style.small) + 0.8 * em
    widest = text_width(attacks, style.small)
    slanted = widest + 0.6 * em > (style.width - left) / len(attacks)
    sheet = Sheet(
        style=style,
        heights=(len(order) * style.row_height * 0.85,),
        columns=1,
        left=left,
        top=0.2 * em,
        bottom=(0.8 * widest if slanted else 1.5 * em) + 5.6 * em,
        legend=Legend(hole_handles(table["state"], _PARTIAL), style),
    )
    figure, [[axis]] = sheet.drawn()
    values = table.pivot(index="detector", columns="attack", values="auroc").reindex(columns=attacks)
    values = values.reindex(order["detector"].where(order["detector"] != "", order["heading"]))
    scale: dict[str, Any] = {"cmap": MAP, "vmin": 0, "vmax": 100, "cbar": False, "yticklabels": False}
    sns.heatmap(100 * values.astype(float), ax=axis, linewidths=style.line * 0.5, linecolor="white", **scale)
    _label(axis, order, attacks, slanted, style)
    places = {(row["detector"], row["attack"]): row for row in table.to_dict("records")}
    for y, detector in enumerate(order["detector"]):
        for x, attack in enumerate(attacks if detector else ()):
            _cell(axis, x, y, places.get((detector, attack), {"state": "missing"}), style)
    _colour_bar(figure, sheet, style)
    return figure


def _order(table: pd.DataFrame) -> pd.DataFrame:
    """Rows from the top: a heading for each sort of thing (``detector`` empty), then its detectors."""
    rows = []
    for scored, heading in {**SCORED, "": "not known yet"}.items():
        means = table[table["scored"] == scored].groupby("detector")["auroc"].mean()
        if len(means):
            rows.append({"detector": "", "heading": f"scores {heading}" if scored else heading})
        best = means.sort_values(ascending=False, kind="stable", na_position="last")
        rows += [{"detector": str(name), "heading": ""} for name in best.index]
    return pd.DataFrame(rows)


def _label(axis: Axes, order: pd.DataFrame, attacks: list[str], slanted: bool, style: Style) -> None:
    shown = order[order["detector"] != ""]
    axis.set(xlabel="", ylabel="")
    axis.set_yticks([place + 0.5 for place in shown.index], list(shown["detector"]))
    look: dict[str, Any] = (
        {"rotation": _SLANT, "ha": "right", "rotation_mode": "anchor"} if slanted else {"rotation": 0}
    )
    axis.set_xticks([place + 0.5 for place in range(len(attacks))], attacks, **look)
    axis.tick_params(length=0)
    for place, heading in order.loc[order["heading"] != "", "heading"].items():
        axis.text(0.02, int(str(place)) + 0.88, heading, fontsize=style.small, va="bottom", ha="left")


def _cell(axis: Axes, x: int, y: int, row: Mapping[Any, Any], style: Style) -> None:
    if row["state"] in HOLES:
        draw_hole(axis, x, y, row["state"], style)
        return
    draw_state(axis, x, y, row["state"], _PARTIAL)
    auroc, weak = row["auroc"], row["state"] == "weak"
    ink = "white" if abs(auroc - 0.5) > _STRONG and not weak else INK
    shown = f"({100 * auroc:.0f})" if weak else f"{100 * auroc:.0f}"
    axis.text(x + 0.5, y + 0.5, shown, ha="center", va="center", color=ink, fontsize=style.font, in_layout=False)


def _colour_bar(figure: Figure, sheet: Sheet, style: Style) -> None:
    assert sheet.legend is not None
    low = (sheet.legend.height + 3.4 * style.font / 72) / sheet.height
    left, width = sheet.left / style.width, 1 - sheet.left / style.width - 0.05
    axis = figure.add_axes((left, low, width, 0.6 * style.font / 72 / sheet.height))
    bar = figure.colorbar(ScalarMappable(Normalize(0, 100), mpl.colormaps[MAP]), cax=axis, orientation="horizontal")
    bar.set_label("AUROC (%), 50 is chance", fontsize=style.small)
    bar.outline.set_visible(False)
