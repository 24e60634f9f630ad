"""Trade-off curves for plotly: a chart per model, data set and attack, with the looks of the printed figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex, to_rgb

from benchmark.picking import VICTIM
from reports.curves import curves, pareto
from reports.figures.style import INK, Mark, Marks
from reports.frames import Frames
from reports.knowledge import board_order
from reports.matrix import WEAK, matrix
from reports.page.packing import Json, Number, numbers, rates
from reports.summaries import victims

SYMBOLS = {
    "o": "circle",
    "s": "square",
    "^": "triangle-up",
    "D": "diamond",
    "v": "triangle-down",
    "P": "cross",
    "<": "triangle-left",
    ">": "triangle-right",
    "X": "x",
}
"""Plotly's names of the markers of ``reports.figures.style``."""

DASHES = {"-": "solid", "--": "dash", ":": "dot", "-.": "dashdot"}
_DARK = "#14181d"
_CONTRAST = 3.0
"""The least contrast of a mark with a dark page; WCAG 2.1, success criterion 1.4.11."""

_CHART = ["model", "dataset", "attack"]


def curves_data(frames: Frames) -> Json:
    """``looks`` by method, and ``charts``: curves with their range over seeds, picks, victim, clean model and front."""
    lines, known = curves(frames), victims(frames)
    lines = lines.sort_values([*_CHART, "method", "point"], ignore_index=True)
    columns, by_method = _columns(lines), lines.groupby([*_CHART, "method"]).indices
    by_chart, by_victim = lines.groupby(_CHART).indices, known.groupby(_CHART).indices
    charts = []
    for key, table in matrix(frames).groupby(_CHART, sort=False):
        found: Json = dict(zip(_CHART, map(str, key), strict=True))
        found |= _anchors(lines.iloc[by_chart.get(key, [])], known.iloc[by_victim[key]])
        found["weak"] = bool((table["state"] == WEAK).any())
        found["methods"] = [
            _method(row, list(by_method.get((*key, row["method"]), ())), columns) for row in _rows(table)
        ]
        charts.append(found)
    return {"budget": frames.plan.budget, "looks": looks(frames), "charts": charts}


def looks(frames: Frames) -> Json:
    """Colour on light and on dark, symbol, line and outline of every method."""
    marks = Marks(frames.cells["defense"], frames.cells["source"])
    methods = frames.cells[["method", "defense", "source"]].drop_duplicates()
    return {row["method"]: _look(marks.of(row["defense"], row["source"])) for row in methods.to_dict("records")}


def _look(mark: Mark) -> Json:
    return {
        "colour": mark.colour,
        "dark": lightened(mark.colour),
        "symbol": SYMBOLS[mark.marker],
        "dash": DASHES[mark.line],
        "outlined": mark.edge == INK,
    }


def lightened(colour: str, background: str = _DARK) -> str:
    """The colour, mixed with just enough white to be told from a dark page."""
    start = np.array(to_rgb(colour))
    mixes = (start + share * (1 - start) for share in np.linspace(0, 1, 21))
    return next(to_hex(tuple(mix)) for mix in mixes if _contrast(mix, np.array(to_rgb(background))) >= _CONTRAST)


def _contrast(first: np.ndarray, second: np.ndarray) -> float:
    """Contrast ratio of two sRGB colours as WCAG 2.1 defines it, from 1 to 21."""
    lights = []
    for colour in (first, second):
        linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
        lights.append(float(linear @ [0.2126, 0.7152, 0.0722]) + 0.05)
    return max(lights) / min(lights)


def _columns(lines: pd.DataFrame) -> dict[str, list[Number]]:
    """Whole columns at once, of which each curve is a slice."""
    return {
        "strength": numbers(lines["strength"], 4),
        "x": rates(lines["clean_accuracy"]),
        "y": rates(lines["attack_success_rate"]),
        "low": rates(lines["attack_success_rate_low"]),
        "high": rates(lines["attack_success_rate_high"]),
        "seeds": lines["seeds"].tolist(),
    }


def _anchors(lines: pd.DataFrame, known: pd.DataFrame) -> Json:
    """The victim, the clean model, the Pareto front, and over how many images each rate is."""
    points = lines[["clean_accuracy", "attack_success_rate"]].to_numpy(dtype=np.float64)
    best = points[pareto(points[:, 0], points[:, 1])]
    best = best[np.argsort(best[:, 0])]
    start = points[(lines["point"] == VICTIM).to_numpy()]
    clean = known[["clean_model_clean_accuracy", "clean_model_attack_success_rate"]].astype(float).mean()
    return {
        "images": numbers([known["test_images_other"].astype(float).min()])[0],
        "victim": rates(start.mean(axis=0)) if len(start) else [None, None],
        "clean": rates(clean),
        "front": [rates(best[:, 0]), rates(best[:, 1])],
    }


def _rows(table: pd.DataFrame) -> list[dict[Any, Any]]:
    """Methods from knowing nothing to knowing everything; "none" is left out, because the victim stands for it."""
    table = table[table["defense"] != "none"]
    order = table["board"].map(board_order)
    return table.assign(order=order).sort_values(["order", "method"]).to_dict("records")


def _method(row: Mapping[Any, Any], places: Sequence[int], columns: Mapping[str, list[Any]]) -> Json:
    found: Json = {name: row[name] for name in ("method", "state", "seeds_ok", "seeds")}
    found["knowledge"] = row["board"]
    found["pick"] = rates([row["clean_accuracy"], row["attack_success_rate"]])
    found["pick_range"] = rates([row["success_lowest_seed"], row["success_highest_seed"]])
    if len(places):
        curve = {name: values[places[0] : places[-1] + 1] for name, values in columns.items()}
        found |= {"curve_seeds": curve.pop("seeds")[0], **curve}
    return found
