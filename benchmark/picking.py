"""Which point of a trade-off curve a defender would choose, from validation data alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

VICTIM = -1
"""The pick that means: keep the suspect model as it is."""

Flags = NDArray[np.bool_]


def loss_bound(before: Flags, after: Flags, confidence: float = 0.95) -> float:
    """One-sided upper confidence bound on the loss of clean accuracy, paired over images, in [-1, 1].

    Args:
        before: whether the victim is right on each validation image (n,).
        after: the same for the defended model.
        confidence: of the bound; a t-bound on the mean of the paired differences.
    """
    loss = before.astype(np.float64) - after.astype(np.float64)
    if len(loss) < 2 or not loss.std():
        return float(loss.mean())
    return float(loss.mean() + stats.t.ppf(confidence, len(loss) - 1) * stats.sem(loss))


def blind_pick(victim: Flags, points: Sequence[Flags], budget: float) -> int:
    """The last point before the first whose loss bound exceeds the budget, walking up the strengths.

    Args:
        victim: clean right or wrong of the victim on the validation images (n,).
        points: the same for every point, in order of strength.
        budget: allowed loss in points of clean accuracy (2.0 is two percentage points).

    Returns:
        The index of the point, or ``VICTIM`` when even the first point exceeds the budget.
    """
    pick = VICTIM
    for number, after in enumerate(points):
        if loss_bound(victim, after) > budget / 100:
            break
        pick = number
    return pick


def oracle_pick(victim: Flags, points: Sequence[Flags], success: Sequence[float], budget: float) -> int:
    """The point of lowest validation success among those whose mean loss is within the budget; ``VICTIM`` if none.

    It looks at the attack's success, which no defender can, and is marked as such wherever it is shown.
    """
    allowed = [number for number, after in enumerate(points) if victim.mean() - after.mean() <= budget / 100 + 1e-12]
    return min(allowed, key=lambda number: (success[number], number), default=VICTIM)
