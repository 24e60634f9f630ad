"""Blind picks at many budgets at once, from the validation outcomes of a cell."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmark.picking import VICTIM

SHOWN = (1.0, 2.0, 5.0)
"""Budgets, in points of clean accuracy, whose success has a column of its own."""

AREA = tuple(float(budget) for budget in np.arange(0, 5.25, 0.25))
"""Budgets, in points, over which the area is the mean."""


@lru_cache
def _quantile(confidence: float, count: int) -> float:
    return float(stats.t.ppf(confidence, count - 1))


def loss_bounds(before: NDArray[np.bool_], after: NDArray[np.bool_], confidence: float = 0.95) -> NDArray[np.float64]:
    """``benchmark.picking.loss_bound`` for all points of a cell at once.

    Shape: before (n,), after (P, n) -> (P,), in [-1, 1].
    """
    count = len(before)
    loss = before.astype(np.int8) - after.astype(np.int8)
    mean = loss.mean(axis=1)
    if count < 2:
        return np.asarray(mean)
    spread = loss.std(axis=1, ddof=1) / np.sqrt(count)
    return np.asarray(mean + _quantile(confidence, count) * spread)


def blind_picks(bounds: NDArray[np.float64], budgets: NDArray[np.float64]) -> NDArray[np.int64]:
    """For every budget the last point before the first whose bound exceeds it; ``VICTIM`` where that is the first.

    Shape: bounds (P,) in [-1, 1], budgets (K,) in points -> (K,).
    """
    if not len(bounds):
        return np.full(len(budgets), VICTIM, dtype=np.int64)
    exceeds = bounds[:, None] > budgets[None, :] / 100
    first = np.where(exceeds.any(axis=0), exceeds.argmax(axis=0), len(bounds))
    return np.asarray(first + VICTIM, dtype=np.int64)


def last_within(bounds: NDArray[np.float64], budget: float) -> int:
    """The last point whose bound is within the budget (in points), whatever lies before it; ``VICTIM`` if none is."""
    within = np.flatnonzero(bounds <= budget / 100)
    return int(within[-1]) if len(within) else VICTIM
