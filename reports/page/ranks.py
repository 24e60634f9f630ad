"""The boards of the page: every method with its rank, what it rests on, and its notes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from reports.boards import Board
from reports.frames import RETRIEVAL
from reports.notes import victim_notes
from reports.page.packing import Json, numbers, rates
from reports.statistics.intervals import MEANING

_TEXTS = ("method", "defense", "source", "worst_attack", "unranked")
_RATES = (
    *("success", "success_low", "success_high", "worst_success", "clean_accuracy", "clean_accuracy_low"),
    *("clean_accuracy_high", "test_loss", "harm", "recall_loss", "success_at_1", "success_at_2", "success_at_5"),
    *("area", "last_success", "oracle_success", "oracle_clean_accuracy", "trigger_shift", "robust_accuracy"),
    "general_accuracy",
    *("defense_effectiveness", "retained_accuracy_corrected", "dev_success", "held_out_success", "rebound", *RETRIEVAL),
)
_NUMBERS = (
    *(
        "rank",
        "rank_best",
        "rank_worst",
        "dataset_rank_best",
        "dataset_rank_worst",
        "images",
        "seeds",
        "cells",
        "cells_ok",
        "cells_missing",
        "cells_skipped",
        "cells_left_out",
    ),
    *("cells_failed", "cells_weak", "cells_overshooting", "keeps_victim", "seconds", "device_seconds"),
    *("peak_memory_bytes", "clean_pairs", "triggered_pairs", "optimiser_steps", "trainable_parameters"),
)


def boards_data(boards: Sequence[Board]) -> list[Json]:
    """One entry per board, in the order of the tables; each column of ``rows`` and ``references`` is a list."""
    return [
        {
            "model": board.model,
            "dataset": board.dataset,
            "knowledge": board.knowledge,
            "notes": list(board.notes),
            "held_out": bool(board.held_out),
            "victims": victim_notes(board.victims),
            "rows": {**_columns(board.rows), **_more(board.rows)},
            "references": _columns(board.references),
        }
        for board in boards
    ]


def _columns(rows: pd.DataFrame) -> Json:
    found: Json = {name: rows[name].astype(str).tolist() for name in _TEXTS if name in rows}
    found |= {name: rates(rows[name], decimals=4) for name in _RATES if name in rows}
    return found | {name: numbers(rows[name]) for name in _NUMBERS if name in rows}


def _more(rows: pd.DataFrame) -> dict[str, list[Any]]:
    """How many share the rank, whether the budget is overshot, and what the intervals are."""
    found: dict[str, list[Any]] = {
        "tied": numbers(rows["rank"].map(rows["rank"].value_counts())),
        "overshoot": rows["overshoot"].astype(bool).tolist(),
    }
    for name in ("success_interval", "clean_accuracy_interval"):
        found[name] = [MEANING[kind] for kind in rows[name]]
    return found
