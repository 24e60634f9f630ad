"""Cells without a number, and cells left out of the ranks: counted and listed, never silently dropped."""

from __future__ import annotations

import pandas as pd

from reports.frames import Frames

STATUSES = ("ok", "skipped", "failed", "missing")


def counts(frames: Frames) -> str:
    """One sentence with the number of cells of every status."""
    found = frames.cells["status"].value_counts()
    parts = [f"{int(found.get(status, 0))} {status}" for status in STATUSES]
    return f"{len(frames.cells)} cells: {', '.join(parts)}."


def hole_sentences(frames: Frames) -> list[str]:
    """One sentence per method, status and reason, with the cells that it concerns."""
    holes = frames.cells[frames.cells["status"] != "ok"]
    found = []
    for (method, status, reason), group in holes.groupby(["method", "status", "reason"], sort=True):
        where = ", ".join(_places(group))
        tail = "" if status == "missing" else f": {reason}" if reason else ""
        found.append(f"{method}, {len(group)} {status} ({where}){tail}")
    return found


def _places(group: pd.DataFrame) -> list[str]:
    """Attacks with their seeds; models and data sets are named where there are several."""
    names = ["model", "dataset"] if group[["model", "dataset"]].drop_duplicates().shape[0] > 1 else []
    places = []
    for key, cells in group.groupby([*names, "attack", "victim"], sort=True):
        *head, attack, victim = map(str, key)
        kind = "" if victim == "poisoned" else f" [{victim}]"
        seeds = " ".join(map(str, sorted(cells["seed"].unique())))
        places.append(" ".join([*head, f"{attack}{kind} seed {seeds}"]))
    return places
