"""Which columns a board shows, for every kind of markup alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pandas as pd

from reports.boards import Board
from reports.frames import RETRIEVAL
from reports.matrix import OK, PARTIAL, WEAK
from reports.notes import victim_notes
from reports.tables.entries import DASH, Entry, duration, interval, number, percent, span

Row = Mapping[Any, Any]
Table = tuple[list[str], list[list[Entry]]]

OVERSHOOT = "!"
LEGEND = (
    "Success: share of triggered images called the target, at the blind pick (chosen on validation data within the "
    "budget), mean over attacks; lower is better. Ranks are tiers: whoever shares one is not worse than its leader "
    "(paired sign flips, Holm, 5 %). Loss: test accuracy lost to the victim, in points; '!' exceeds the budget. "
    "Harm: accuracy lost on a victim without backdoor, in points. Range: ranks when one attack is dropped."
)
DETAIL_LEGEND = (
    "Area: mean success over budgets of 0 to 5 points. Last: success at the last point within the budget even where an "
    "earlier one exceeds it; never ranks. Oracle: success at a pick that looks at the attack, which no "
    "defender can; never ranks. Shift: largest rise of another wrong class under the trigger. Robust: triggered images "
    "that keep their class. General: accuracy on other data sets. R@1: retrieval on captioned sets, mean of both "
    "directions. Over: cells whose test loss exceeds the budget. Kept: cells where the pick is the victim itself. "
    "Rebound, where the matrix asks for it: highest success while the pick is fine-tuned on clean pairs. Rates in "
    "percent."
)
MATRIX_LEGEND = (
    "Attack success in percent at the blind pick, mean over seeds. In parentheses: the victim is weak and not ranked "
    "on. A fraction says how many seeds have a number; a word, why there is none."
)


@dataclass(frozen=True)
class Section:
    """One model on one data set: notes on its victims, its boards, and success by attack."""

    title: str
    notes: tuple[str, ...]
    boards: tuple[tuple[Board, Table, Table], ...]
    by_attack: Table


def sections(boards: Sequence[Board], table: pd.DataFrame) -> Iterator[Section]:
    """Everything that is printed, laid out once for all markups."""
    for (model, dataset), group in groupby(boards, key=lambda board: (board.model, board.dataset)):
        found = tuple((board, main_table(board), detail_table(board)) for board in group)
        ours = table[(table["model"] == model) & (table["dataset"] == dataset)]
        notes = tuple(victim_notes(found[0][0].victims))
        yield Section(f"{model} on {dataset}", notes, found, matrix_table(ours))


def main_table(board: Board) -> Table:
    """Ranks with what they rest on; the references come last."""
    headers = ["Rank", "Defense", f"Success at {board.budget:g} pts (%)", "Worst attack (%)", "Clean accuracy (%)"]
    headers += ["Loss", "Harm", "Range", "Cells"]
    rows = [_main_row(row) for row in board.rows.to_dict("records")]
    rows += [_reference_row(row) for row in board.references.to_dict("records")]
    return _with_sides(headers, rows, board) if board.held_out else (headers, rows)


def _with_sides(headers: list[str], rows: list[list[Entry]], board: Board) -> Table:
    """Success over dev and over held-out attacks, right after the success over all."""
    both = pd.concat([board.rows, board.references])[["dev_success", "held_out_success"]]
    sides = [[Entry(percent(dev)), Entry(percent(held))] for dev, held in both.itertuples(index=False)]
    wider = [[*row[:3], *side, *row[3:]] for row, side in zip(rows, sides, strict=True)]
    return [*headers[:3], "Dev (%)", "Held out (%)", *headers[3:]], wider


def detail_table(board: Board) -> Table:
    """The same methods at other budgets, with what else was measured and what it cost."""
    headers = ["Defense", "at 1 (%)", "at 2 (%)", "at 5 (%)", "Area (%)", "Last (%)", "Oracle (%)"]
    retrieval = ["R@1 (%)"] if RETRIEVAL[0] in board.rows else []
    headers += ["Shift (%)", "Robust (%)", "General (%)", *retrieval, "Time", "Clean pairs", "Steps", "Over", "Kept"]
    rows = [_detail_row(row) for row in board.rows.to_dict("records")]
    if board.rows["rebound"].notna().any():
        headers.append("Rebound (%)")
        rows = [[*row, Entry(percent(back))] for row, back in zip(rows, board.rows["rebound"], strict=True)]
    return headers, rows


def matrix_table(group: pd.DataFrame) -> Table:
    """Defenses x attacks of one model and data set."""
    attacks = sorted(group["attack"].unique())
    found = {(row["method"], row["attack"]): _matrix_entry(row) for row in group.to_dict("records")}
    methods = sorted(group["method"].unique())
    rows = [[Entry(m), *(found.get((m, attack), Entry("not planned")) for attack in attacks)] for m in methods]
    return ["Defense", *attacks], rows


def _main_row(row: Row) -> list[Entry]:
    best = row["rank"] == 1
    loss = number(100 * row["test_loss"]) + (OVERSHOOT if row["overshoot"] else "")
    return [
        Entry(number(row["rank"], 0), bold=best),
        Entry(row["method"], bold=best),
        Entry(percent(row["success"]), interval(row["success_low"], row["success_high"]), bold=best),
        Entry(percent(row["worst_success"]), row["worst_attack"]),
        Entry(percent(row["clean_accuracy"]), interval(row["clean_accuracy_low"], row["clean_accuracy_high"])),
        Entry(loss),
        Entry(number(100 * row["harm"])),
        Entry(span(row["rank_best"], row["rank_worst"])),
        Entry(f"{row['cells_ok']}/{row['cells']}"),
    ]


def _reference_row(row: Row) -> list[Entry]:
    shown = [Entry("ref"), Entry(row["method"]), Entry(percent(row["success"]))]
    shown += [Entry(percent(row["worst_success"]), row["worst_attack"]), Entry(percent(row["clean_accuracy"]))]
    return shown + [Entry(DASH)] * 4


def _detail_row(row: Row) -> list[Entry]:
    budgets = [percent(row[f"success_at_{budget}"]) for budget in (1, 2, 5)]
    rates = [
        percent(row[name]) for name in ("area", "last_success", "oracle_success", "trigger_shift", "robust_accuracy")
    ]
    counts = [number(row["clean_pairs"], 0), number(row["optimiser_steps"], 0)]
    counts += [f"{row['cells_overshooting']}/{row['cells_ok']}", f"{row['keeps_victim']}/{row['cells_ok']}"]
    others = [percent(row[name]) for name in ("general_accuracy", RETRIEVAL[0]) if name in row]
    shown = [*budgets, *rates, *others, duration(row["seconds"]), *counts]
    return [Entry(row["method"], bold=row["rank"] == 1), *map(Entry, shown)]


def _matrix_entry(row: Row) -> Entry:
    shown = percent(row["attack_success_rate"])
    if row["state"] == OK:
        return Entry(shown)
    if row["state"] == PARTIAL:
        return Entry(shown, f"{row['seeds_ok']}/{row['seeds']}")
    return Entry(f"({shown})" if row["state"] == WEAK else row["state"])
