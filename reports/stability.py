"""How much a rank depends on which attacks and data sets a matrix happens to hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.scores import Blocks
from reports.statistics.comparisons import compare

if TYPE_CHECKING:
    from reports.boards import Board


def rank_ranges(values: NDArray[np.float64], blocks: Blocks, index: pd.Index) -> pd.DataFrame:
    """The best and the worst rank of each method when one attack is left out; NaN with fewer than two attacks.

    Shape: values (M, blocks), one row per entry of ``index``.
    """
    found = []
    if len(values) and len(blocks.names) > 1:
        for attack in blocks.names:
            fewer, kept = blocks.without(attack)
            found.append(compare(values[:, kept], fewer.weights).tiers)
    ranks = np.array(found, dtype=np.float64).reshape(len(found), len(values))
    empty = np.full(len(values), np.nan)
    best, worst = (ranks.min(axis=0), ranks.max(axis=0)) if len(ranks) else (empty, empty)
    return pd.DataFrame({"rank_best": best, "rank_worst": worst}, index=index)


def across_datasets(boards: Sequence[Board]) -> list[Board]:
    """The boards with the range of each method's rank over the data sets of its model, at equal knowledge.

    Adds ``dataset_rank_best`` and ``dataset_rank_worst``, NaN where fewer than two data sets rank the method, and a
    note on each board of a model with several data sets.
    """
    columns = ["model", "knowledge", "method", "rank"]
    tables = [board.rows.assign(model=board.model, knowledge=board.knowledge)[columns] for board in boards]
    if not tables:
        return []
    ranks = pd.concat(tables).groupby(columns[:3])["rank"].agg(["min", "max", "count"])
    found = []
    for board in boards:
        ours = ranks.reindex(pd.MultiIndex.from_product([[board.model], [board.knowledge], board.rows["method"]]))
        ours = ours.where(ours["count"] > 1)
        rows = board.rows.assign(dataset_rank_best=ours["min"].to_numpy(), dataset_rank_worst=ours["max"].to_numpy())
        found.append(replace(board, rows=rows, notes=(*board.notes, *_dataset_note(board, rows))))
    return found


def _dataset_note(board: Board, rows: pd.DataFrame) -> list[str]:
    known = rows[rows["dataset_rank_best"].notna()]
    if known.empty:
        return []
    spans = [
        f"{row['method']} {row['dataset_rank_best']:.0f}"
        + (f" to {row['dataset_rank_worst']:.0f}" if row["dataset_rank_worst"] > row["dataset_rank_best"] else "")
        for row in known.to_dict("records")
    ]
    return [f"Ranks over the data sets of {board.model}: {', '.join(spans)}."]
