"""The boards of detectors on the page: the tables of leaderboard.md, and nothing but text in their cells."""

from __future__ import annotations

from collections.abc import Sequence

from reports.detection import DetectionBoard
from reports.page.packing import Json
from reports.tables.detection import ATTACK_LEGEND, LEGEND, attack_table, tables_of


def detectors_data(boards: Sequence[DetectionBoard]) -> list[Json]:
    """One entry per model and data set, empty where no detector was planned."""
    return [
        {"title": board.title, "legend": LEGEND, "notes": list(board.notes), "tables": _tables(board)}
        for board in boards
    ]


def _tables(board: DetectionBoard) -> list[Json]:
    found = [(f"Of {title}", legend, grid) for title, legend, grid in tables_of(board)]
    found.append(("AUROC by attack", ATTACK_LEGEND, attack_table(board.by_attack)))
    return [
        {"title": title, "legend": legend, "headers": headers, "rows": rows} for title, legend, (headers, rows) in found
    ]
