"""What is known of each victim, and of each cell at its picks: one row each, ready for pivoting."""

from __future__ import annotations

import numpy as np
import pandas as pd

from reports.frames import METRICS, RETRIEVAL, Frames
from reports.statistics.budgets import AREA, SHOWN

BLOCK = ["model", "dataset", "attack", "seed"]
"""The dimensions of a victim; a block of the paired comparisons."""

ACCEPTED, WEAK, PENDING, NO_VICTIM = "accepted", "weak", "pending", "no victim"


def success_column(budget: float) -> str:
    return f"success_at_{budget:g}"


def victims(frames: Frames) -> pd.DataFrame:
    """One row per poisoned victim: ``state``, ``reason``, its metrics and those of the clean model.

    States: "accepted" and "weak" by its gate; "pending" while nothing is known of it and results are missing;
    "no victim" when every cell of it was skipped or failed.
    """
    cells = frames.cells[frames.cells["victim"] == "poisoned"]
    at_victim = frames.points[frames.points["point"] == -1].set_index("cell")[[*METRICS, "general_accuracy"]]
    cells = cells.join(at_victim.add_prefix("victim_"))
    cells = cells.assign(missing=cells["status"] == "missing", measured=cells["status"] == "ok")
    grouped = cells.groupby(BLOCK, sort=False)
    kept = [name for name in cells.columns if name.startswith(("victim_", "clean_model_"))]
    found = grouped[[*kept, "accepted", "gate_reason", "test_images", "test_images_other"]].first()
    any_missing, any_measured = grouped["missing"].any(), grouped["measured"].any()
    accepted = found["accepted"]
    found["state"] = np.select(
        [(accepted == True).to_numpy(), (accepted == False).to_numpy() | any_measured.to_numpy(), any_missing],  # noqa: E712
        [ACCEPTED, WEAK, PENDING],
        NO_VICTIM,
    )
    reason = found.pop("gate_reason").astype(object).fillna("")
    silent = (found["state"] == WEAK) & (reason == "")
    found["reason"] = reason.mask(silent, "no gate was recorded")
    return found.drop(columns="accepted").reset_index()


def at_picks(frames: Frames) -> pd.DataFrame:
    """One row per cell (same index as ``frames.cells``; NaN in holes): the metrics at the blind pick, and beside them

    ``pick`` (its point), ``success_at_B``, ``area`` (mean success over the budgets 0 to 5), ``oracle_success``,
    ``oracle_clean_accuracy``, ``last_success`` (at the last point within the budget), ``stops_early`` (whether that
    point comes after the blind pick), ``victim_clean_accuracy``, ``victim_success``, ``test_loss`` and ``recall_loss``
    (shares lost against the victim).
    """
    picks = frames.picks
    blind, oracle = picks[picks["rule"] == "blind"], picks[picks["rule"] == "oracle"]
    wanted = blind[blind["budget"] == frames.plan.budget].set_index("cell")
    others = ["general_accuracy", *RETRIEVAL, "defense_effectiveness", "retained_accuracy_corrected"]
    found = wanted[[*METRICS, *others]]
    found = found.reindex(frames.cells.index)
    found.insert(0, "pick", wanted["point"].astype(float))
    success = blind.pivot(index="cell", columns="budget", values="attack_success_rate")
    for budget in SHOWN:
        found[success_column(budget)] = success.get(budget, np.nan)
    found["area"] = success.reindex(columns=list(AREA)).mean(axis=1, skipna=False)
    best = oracle.set_index("cell")
    found["oracle_success"] = best["attack_success_rate"]
    found["oracle_clean_accuracy"] = best["clean_accuracy"]
    last = picks[picks["rule"] == "last"].set_index("cell")
    found["last_success"] = last["attack_success_rate"]
    found["stops_early"] = last["point"] > found["pick"].reindex(last.index)
    victim = frames.points[frames.points["point"] == -1].set_index("cell")
    found["victim_success"] = victim["attack_success_rate"]
    found["victim_clean_accuracy"] = victim["clean_accuracy"]
    found["test_loss"] = victim["clean_accuracy"] - found["clean_accuracy"]
    found["recall_loss"] = victim["target_recall"] - found["target_recall"]
    return found
