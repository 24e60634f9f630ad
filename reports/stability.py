"""How much a rank depends on which attacks a matrix happens to hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.scores import Blocks
from reports.statistics.comparisons import compare


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
