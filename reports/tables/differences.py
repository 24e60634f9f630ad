"""Two runs side by side as text for a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tabulate import tabulate

from reports.differences import CHANGED, RATES, Differences
from reports.tables.entries import percent
from reports.tables.plain import wrapped

NOTE = (
    "In percent at the blind pick. Brackets: 95 % interval of the difference over test images, paired over them where "
    "both runs keep the outcomes of the same ones (~: not paired). Beyond noise: the interval leaves out zero, as one "
    "rate in twenty does by chance. Nothing is known of the spread over training seeds."
)


def render(differences: Differences) -> str:
    """The summary, then a row per cell that is new, gone or changed."""
    if differences.table.empty:
        return differences.summary
    headers = ["", "cell", "success", "difference", "clean accuracy", "difference", "beyond noise"]
    rows = [_row(row) for row in differences.table.to_dict("records")]
    table = tabulate(rows, headers, "simple", disable_numparse=True)
    return "\n".join([differences.summary, "", table, "", wrapped(NOTE, "")])


def _row(row: Mapping[Any, Any]) -> list[str]:
    shown = [str(row["change"]), str(row["cell"])]
    for name in RATES:
        shown += [_move(row, name), _interval(row, name)]
    beyond = ", ".join(name for name in RATES if row[f"{name}_beyond"])
    return [*shown, beyond or ("no" if row["interval"] else "")]


def _move(row: Mapping[Any, Any], name: str) -> str:
    """Before and after; where there is no number, what became of the cell."""
    ends = []
    for end in ("before", "after"):
        value = row[f"{name}_{end}"]
        ends.append(percent(value) if value == value else str(row[f"status_{end}"]))
    return " -> ".join(ends) if row["change"] == CHANGED else "".join(ends)


def _interval(row: Mapping[Any, Any], name: str) -> str:
    difference = row[f"{name}_difference"]
    if math.isnan(difference):
        return ""
    low, high = percent(row[f"{name}_low"]), percent(row[f"{name}_high"])
    return f"{100 * difference:+.1f} [{low}, {high}]{'' if row['interval'] == 'paired' else ' ~'}"
