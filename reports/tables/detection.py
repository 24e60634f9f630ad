"""The boards of detectors as Markdown and as text for a terminal: a table for each sort of thing that they score."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from tabulate import tabulate

from reports.detection import SCORED, DetectionBoard
from reports.matrix import OK, PARTIAL, WEAK
from reports.tables.entries import duration, interval, number, percent

Grid = tuple[list[str], list[list[str]]]
Row = Mapping[Any, Any]

WIDTH = 110
_MORE = {"Found": "true_positive_rate", "Alarms": "false_positive_rate", "Control": "control"}
LEGEND = (
    "AUROC: chance that what should be found scores higher than what should not (50: guessing, below: turned around). "
    "AUPRC is read against the base rate. FPR: false positives at the threshold that finds 95 %. All in percent, means "
    "over attacks and seeds of accepted victims."
)
IMAGES_LEGEND = (
    "Found and alarms: rates on test images at the threshold that 5 % of clean validation images exceed. Control: "
    "AUROC on benign victims, where nothing is hidden that the trigger could set off."
)
MODELS_LEGEND = "Poisoned victims against equally many benign fine-tunes, each a model of its own."
ATTACK_LEGEND = (
    "AUROC in percent, mean over seeds. In parentheses: the victim is weak and not averaged. A fraction says how many "
    "studies have a number; a word, why there is none."
)


def markdown(boards: Sequence[DetectionBoard]) -> str:
    """Sections to follow the leaderboard, empty where there are no detectors."""
    from reports.tables.markdown import escaped

    def table(grid: Grid) -> str:
        headers, rows = grid
        cells = [[escaped(cell) for cell in row] for row in rows]
        return tabulate(cells, headers, "pipe", disable_numparse=True, colalign=_aligned(headers))

    parts = []
    for board in boards:
        parts += [f"## Detection: {escaped(board.title)}", LEGEND]
        for title, legend, grid in tables_of(board):
            parts += [f"### Of {title}", *([legend] if legend else []), table(grid)]
        parts += ["### AUROC by attack", ATTACK_LEGEND, table(attack_table(board.by_attack))]
        parts += ["\n".join(f"- {escaped(note)}" for note in board.notes)]
    return "".join(f"\n{part}\n" for part in parts if part)


def plain(boards: Sequence[DetectionBoard]) -> str:
    """The same for a terminal, without the attacks one by one where they are too many for its width."""
    parts = []
    for board in boards:
        parts += ["", f"DETECTION: {board.title.upper()}"]
        for title, legend, grid in tables_of(board):
            parts += ["", f"Of {title}", *([_wrapped(legend)] if legend else []), _simple(grid)]
        by_attack = _simple(attack_table(board.by_attack))
        if max(map(len, by_attack.splitlines())) <= WIDTH:
            parts += ["", "AUROC by attack", by_attack]
        parts += ["", *map(_wrapped, board.notes), _wrapped(LEGEND)]
    return "".join(f"{part}\n" for part in parts)


def _simple(grid: Grid) -> str:
    headers, rows = grid
    return tabulate(rows, headers, "simple", disable_numparse=True, colalign=_aligned(headers))


def _aligned(headers: Sequence[str]) -> list[str]:
    return ["left" if header in ("Detector", "Knows") else "right" for header in headers]


def tables_of(board: DetectionBoard) -> Iterator[tuple[str, str, Grid]]:
    """(what is scored, a sentence or an empty text, the table) for all that there are detectors of."""
    legends = {"images": IMAGES_LEGEND, "model": MODELS_LEGEND}
    for scored, title in {**SCORED, "": "what is not known yet"}.items():
        rows = board.rows[board.rows["scored"] == scored].to_dict("records")
        more = _MORE if scored == "images" else {}
        headers = ["Detector", "Knows", "AUROC", "AUPRC", "Base rate", "FPR", *more, "Studies", "Time"]
        cells = [[*_head(row), *(percent(row[name]) for name in more.values()), *_end(row)] for row in rows]
        if rows:
            yield title, legends.get(scored, ""), (headers, cells)


def _head(row: Row) -> list[str]:
    limits = interval(row["auroc_low"], row["auroc_high"])
    shown = percent(row["auroc"]) + (f" [{limits}]" if limits else "")
    rates = [percent(row[name]) for name in ("auprc", "base_rate", "fpr_at_95_tpr")]
    return [row["detector"], row["knowledge"], shown, *rates]


def _end(row: Row) -> list[str]:
    return [f"{number(row['studies_ok'], 0)}/{number(row['studies'], 0)}", duration(row["seconds"])]


def attack_table(table: pd.DataFrame) -> Grid:
    attacks = sorted(table["attack"].unique())
    found = {(row["detector"], row["attack"]): _entry(row) for row in table.to_dict("records")}
    detectors = list(dict.fromkeys(table["detector"]))
    rows = [[name, *(found.get((name, attack), "not planned") for attack in attacks)] for name in detectors]
    return ["Detector", *attacks], rows


def _entry(row: Row) -> str:
    shown = percent(row["auroc"])
    if row["state"] == OK:
        return shown
    if row["state"] == PARTIAL:
        return f"{shown} {row['studies_ok']}/{row['studies']}"
    return f"({shown})" if row["state"] == WEAK else str(row["state"])


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent="  ")
