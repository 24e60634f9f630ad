"""Trade-off curves: the mean and range over seeds at every point of a method under an attack."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.frames import Frames
from reports.matrix import FIELDS
from reports.summaries import ACCEPTED, BLOCK, PENDING, victims

_RATES = ["clean_accuracy", "attack_success_rate"]


def curves(frames: Frames) -> pd.DataFrame:
    """One row per method, attack and point, from the victim (-1) on: means over seeds, ``_low`` and ``_high``.

    Eligible victims alone, or the weak ones of an attack that has no other. A point that some seed lacks is left out,
    so that a curve never changes the seeds it is over; ``seeds`` says how many these are.
    """
    cells = frames.cells[(frames.cells["victim"] == "poisoned") & (frames.cells["status"] == "ok")]
    cells = cells.assign(cell=cells.index).merge(victims(frames)[[*BLOCK, "state"]], on=BLOCK)
    cells["eligible"] = cells["state"].isin([ACCEPTED, PENDING])
    cells = cells[cells["eligible"] | ~cells.groupby(["model", "dataset", "attack"])["eligible"].transform("any")]
    cells["seeds"] = cells.groupby(FIELDS)["cell"].transform("size")
    points = cells[[*FIELDS, "cell", "seeds", "eligible"]].merge(frames.points, on="cell")
    grouped = points.groupby([*FIELDS, "point"], sort=False)
    found = grouped[[*_RATES, "strength"]].mean()
    for name in _RATES:
        found[f"{name}_low"], found[f"{name}_high"] = grouped[name].min(), grouped[name].max()
    found["seeds"], found["eligible"] = grouped["seeds"].first(), grouped["eligible"].all()
    whole = grouped.size() == found["seeds"]
    return found[whole.to_numpy()].reset_index().sort_values([*FIELDS, "point"])


def pareto(clean_accuracy: NDArray[np.float64], success: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points no other beats: none at least as accurate with less success, or as low with more accuracy."""
    order = np.lexsort((success, -clean_accuracy))
    best = np.minimum.accumulate(success[order])
    front = np.zeros(len(order), dtype=np.bool_)
    front[order] = np.concatenate([[True], best[1:] < best[:-1]]) if len(order) else []
    return front
