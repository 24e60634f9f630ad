"""Method x attack: success at the blind pick as colour, clean accuracy below it, holes told apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from reports.figures.holes import HOLES, draw_hole, draw_left_out, draw_state, hole_handles
from reports.figures.sheet import Legend, Sheet, text_width
from reports.figures.style import INK, Style
from reports.figures.view import View
from reports.knowledge import board_order
from reports.matrix import LEFT_OUT

MAP = "rocket_r"
_DARK = 0.33
"""Success above which the colour is dark enough for white letters."""

_SLANT = 40


def draw(view: View) -> tuple[Figure, pd.DataFrame] | None:
    """A block of rows per level of knowledge, the best method first; one axis, blocks parted by their headings."""
    table, style, attacks = view.table, view.style, view.attacks
    order = _order(table)
    em, count = style.font / 72, len(order)
    left = text_width((row for row in order["label"] if row), style.small) + 0.8 * em
    narrowest = left + (text_width(["100"], style.font) + 0.3 * em) * len(attacks)
    style = replace(style, width=max(style.width, narrowest))
    left_out = [LEFT_OUT] if len(table) < table["method"].nunique() * len(attacks) else []
    widest = text_width(attacks, style.small)
    slanted = widest + 0.6 * em > (style.width - left) / len(attacks)
    sheet = Sheet(
        style=style,
        heights=(count * style.row_height,),
        columns=1,
        left=left,
        top=0.2 * em,
        bottom=(0.8 * widest if slanted else 1.5 * em) + 6.6 * em,
        legend=Legend(hole_handles([*table["state"], *left_out]), style),
    )
    figure, [[axis]] = sheet.drawn()
    values = table.pivot(index="method", columns="attack", values="attack_success_rate").reindex(columns=attacks)
    values = values.reindex([label or heading for label, heading in zip(order["label"], order["heading"], strict=True)])
    scale: dict[str, Any] = {"cmap": MAP, "vmin": 0, "vmax": 100, "cbar": False, "yticklabels": False}
    sns.heatmap(100 * values.astype(float), ax=axis, linewidths=style.line * 0.5, linecolor="white", **scale)
    axis.set(xlabel="", ylabel="")
    _label(axis, order, attacks, slanted, style)
    places = {(row["method"], row["attack"]): row for row in table.to_dict("records")}
    for y, method in enumerate(order["label"]):
        for x, attack in enumerate(attacks if method else ()):
            _cell(axis, x, y, places.get((method, attack), {"state": LEFT_OUT}), style)
    _colour_bar(figure, sheet, style)
    return figure, table


def _order(table: pd.DataFrame) -> pd.DataFrame:
    """Rows from the top: a heading per level of knowledge (``label`` empty), then its methods, whole ones first."""
    rows = []
    for board in sorted(table["board"].unique(), key=board_order):
        means = table[table["board"] == board].groupby("method")["attack_success_rate"].agg(["mean", "count"])
        means["short"] = -means["count"]
        rows.append({"label": "", "heading": f"knows: {board}"})
        rows += [{"label": str(m), "heading": ""} for m in means.sort_values(["short", "mean"], kind="stable").index]
    return pd.DataFrame(rows)


def _label(axis: Axes, order: pd.DataFrame, attacks: list[str], slanted: bool, style: Style) -> None:
    shown = order[order["label"] != ""]
    axis.set_yticks([place + 0.5 for place in shown.index], list(shown["label"]))
    look: dict[str, Any] = (
        {"rotation": _SLANT, "ha": "right", "rotation_mode": "anchor"} if slanted else {"rotation": 0}
    )
    axis.set_xticks([place + 0.5 for place in range(len(attacks))], attacks, **look)
    axis.tick_params(length=0)
    for place, heading in order.loc[order["heading"] != "", "heading"].items():
        axis.text(0.02, int(str(place)) + 0.88, heading, fontsize=style.small, va="bottom", ha="left")


def _colour_bar(figure: Figure, sheet: Sheet, style: Style) -> None:
    assert sheet.legend is not None
    low = (sheet.legend.height + 4.6 * style.font / 72) / sheet.height
    left, width = sheet.left / style.width, 1 - sheet.left / style.width - 0.05
    axis = figure.add_axes((left, low, width, 0.6 * style.font / 72 / sheet.height))
    bar = figure.colorbar(ScalarMappable(Normalize(0, 100), mpl.colormaps[MAP]), cax=axis, orientation="horizontal")
    bar.set_label("Upper: attack success at the blind pick (%)\nlower: clean accuracy (%)", fontsize=style.small)
    bar.outline.set_visible(False)


def _cell(axis: Axes, x: int, y: int, row: Mapping[Any, Any], style: Style) -> None:
    if row["state"] == LEFT_OUT:
        draw_left_out(axis, x, y, style)
    elif row["state"] in HOLES:
        draw_hole(axis, x, y, row["state"], style)
    else:
        _number(axis, x, y, row, style)


def _number(axis: Axes, x: int, y: int, row: Mapping[Any, Any], style: Style) -> None:
    success, accuracy, weak = row["attack_success_rate"], row["clean_accuracy"], row["state"] == "weak"
    ink = "white" if success > _DARK and not weak else INK
    draw_state(axis, x, y, row["state"])
    shown = f"({100 * success:.0f})" if weak else f"{100 * success:.0f}"
    centred: dict[str, Any] = {"ha": "center", "va": "center", "color": ink, "in_layout": False}
    axis.text(x + 0.5, y + 0.34, shown, fontsize=style.font, **centred)
    axis.text(x + 0.5, y + 0.77, f"{100 * accuracy:.0f}", fontsize=style.small * 0.8, **centred)
