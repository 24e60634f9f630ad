"""Which way trigger vectors point: against the true backdoor of their victim, and against each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from benchmark import sketches as packing
from reports.figures.sheet import Sheet, text_width
from reports.figures.style import GREY, INK, Style
from reports.figures.view import View
from reports.findings import PLACE, angles, of_study, sketches

MAP = "vlag"
_OTHERS = {
    "backdoor": "victim - benign twin",
    "poisoning": "victim - clean model",
    "trigger_task": "trigger alone",
    "clean_task": "clean task",
    "finetuning": "fine-tuning",
}


def draw(view: View) -> tuple[Figure, pd.DataFrame] | None:
    """Vision towers alone; upper block: the trigger vector against its victim's others, lower: between attacks."""
    planned, style = of_study(view.findings, "vectors"), view.style
    if planned.empty:
        return None
    attacks = sorted(planned["attack"].unique())
    own, between = _own(view, attacks), _between(view, attacks)
    em = style.font / 72
    left = text_width([*_OTHERS.values(), *attacks], style.small) + 1.0 * em
    names = text_width(attacks, style.small)
    slanted = names + 0.6 * em > (style.width - left) / len(attacks)
    sheet = Sheet(
        style=style,
        heights=(len(own) * style.row_height, len(between) * style.row_height),
        columns=1,
        left=left,
        top=2.0 * em,
        bottom=(0.8 * names if slanted else 1.5 * em) + 4.2 * em,
        gap_y=2.4 * em,
    )
    figure, [[upper], [lower]] = sheet.drawn()
    _block(upper, own, "The trigger vector of an attack against", style, ticks=False, slanted=slanted)
    _block(lower, between, "The trigger vector of another attack", style, ticks=True, slanted=slanted)
    _colour_bar(figure, sheet, style)
    return figure, _numbers(view, between)


def _own(view: View, attacks: Sequence[str]) -> pd.DataFrame:
    """Names of other vectors x attacks: mean cosine with the trigger vector over seeds."""
    found = angles(view.findings)
    found = found[(found["part"] == "vision") & (found["one"] == "trigger")]
    table = found.pivot_table(index="other", columns="attack", values="cosine", aggfunc="mean")
    return table.reindex(index=list(_OTHERS), columns=list(attacks)).rename(index=_OTHERS).astype(float)


def _between(view: View, attacks: Sequence[str]) -> pd.DataFrame:
    """Attacks x attacks: mean cosine of their trigger vectors over the seeds that both have, from sketches."""
    kept = sketches(view.findings)
    kept = kept[kept["vector"] == "trigger"]
    total, count = np.zeros((2, len(attacks), len(attacks)))
    for _, rows in kept.groupby("seed"):
        places = [attacks.index(attack) for attack in rows["attack"]]
        found = packing.cosines(np.stack([packing.unpacked(text) for text in rows["sketch"]]))
        total[np.ix_(places, places)] += found
        count[np.ix_(places, places)] += 1
    means = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return pd.DataFrame(means, index=list(attacks), columns=list(attacks))


def _block(axis: Axes, table: pd.DataFrame, title: str, style: Style, *, ticks: bool, slanted: bool) -> None:
    scale: dict[str, Any] = {"cmap": MAP, "vmin": -1, "vmax": 1, "cbar": False}
    axis.set_facecolor("#F2F2F2")
    sns.heatmap(table, ax=axis, linewidths=style.line * 0.5, linecolor="white", **scale)
    for y, row in enumerate(table.to_numpy()):
        for x, value in enumerate(row):
            text, ink = ("?", INK) if np.isnan(value) else (f"{value:.2f}", "white" if abs(value) > 0.6 else INK)
            axis.text(x + 0.5, y + 0.5, text, ha="center", va="center", color=ink, fontsize=style.small)
    axis.set(xlabel="", ylabel="")
    axis.set_title(title, fontsize=style.small, loc="left")
    look: dict[str, Any] = (
        {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if slanted else {"rotation": 0, "ha": "center"}
    )
    axis.set_xticks(np.arange(len(table.columns)) + 0.5, list(table.columns) if ticks else [], **look)
    axis.set_yticks(np.arange(len(table)) + 0.5, list(table.index), rotation=0)
    axis.tick_params(length=0)


def _colour_bar(figure: Figure, sheet: Sheet, style: Style) -> None:
    em = style.font / 72
    left, width = sheet.left / style.width, 1 - sheet.left / style.width - 0.05
    axis = figure.add_axes((left, 3.0 * em / sheet.height, width, 0.6 * em / sheet.height))
    bar = figure.colorbar(
        ScalarMappable(Normalize(-1, 1), mpl.colormaps[MAP]),
        cax=axis,
        orientation="horizontal",
        ticks=[-1, -0.5, 0, 0.5, 1],
    )
    bar.set_label("Cosine (vision towers)", fontsize=style.small)
    bar.outline.set_edgecolor(GREY)


def _numbers(view: View, between: pd.DataFrame) -> pd.DataFrame:
    """Exact cosines of every victim's own vectors, then the sketched ones between attacks."""
    exact = angles(view.findings).assign(how="exact")
    crossed = between.rename_axis("one").reset_index().melt(id_vars="one", var_name="other", value_name="cosine")
    crossed = crossed.assign(how="sketched", part="vision")
    columns = [*PLACE, "how", "part", "one", "other", "cosine", "norm"]
    return pd.concat([exact, crossed], ignore_index=True).reindex(columns=columns)
