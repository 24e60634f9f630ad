"""Attack x method: success and clean accuracy at the blind pick, with every hole named."""

from __future__ import annotations

import numpy as np
import pandas as pd

from reports.frames import Frames
from reports.summaries import ACCEPTED, BLOCK, PENDING, at_picks, victims

FIELDS = ["model", "dataset", "board", "method", "defense", "source", "attack"]

OK, PARTIAL, WEAK = "ok", "partial", "weak"
HOLES = ("failed", "skipped", "missing")
"""States without a number, the one to tell first where the seeds differ."""

LEFT_OUT = "left_out"
"""A combination that the limits of the matrix leave out: nothing is missing, nothing is measured."""


def matrix(frames: Frames) -> pd.DataFrame:
    """One row per model, data set, method and attack.

    ``state`` is "ok", "partial" (some seeds are holes: the mean is over the others), "weak" (no victim of this attack
    passed its gate: the mean is over the weak ones) or the status of the hole. ``seeds_ok`` of ``seeds`` eligible cells
    have a number; ``attack_success_rate`` and ``clean_accuracy`` are means over these, NaN in holes.
    """
    cells = frames.cells[frames.cells["victim"] == "poisoned"].join(at_picks(frames)[["clean_accuracy"]])
    cells = cells.join(at_picks(frames)[["attack_success_rate"]])
    cells = cells.merge(victims(frames)[[*BLOCK, "state"]], on=BLOCK, how="left")
    cells["eligible"] = cells["state"].isin([ACCEPTED, PENDING])
    whole = cells.groupby(FIELDS, sort=False)["eligible"].transform("any")
    counted = cells[cells["eligible"] | ~whole]
    counted = counted.assign(**{name: counted["status"] == name for name in ("ok", *HOLES)})
    grouped = counted.groupby(FIELDS, sort=False)
    found = grouped[["attack_success_rate", "clean_accuracy"]].mean()
    found["success_lowest_seed"] = grouped["attack_success_rate"].min()
    found["success_highest_seed"] = grouped["attack_success_rate"].max()
    sums = grouped[["ok", *HOLES]].sum()
    found["seeds_ok"], found["seeds"] = sums["ok"], grouped.size()
    conditions = [
        (~grouped["eligible"].any() & (sums["ok"] > 0)).to_numpy(),
        (sums["ok"] == found["seeds"]).to_numpy(),
        (sums["ok"] > 0).to_numpy(),
        *((sums[name] > 0).to_numpy() for name in HOLES),
    ]
    found["state"] = np.select(conditions, [WEAK, OK, PARTIAL, *HOLES], "missing")
    return found.reset_index()
