"""The rows of the cell table: one per planned cell, holes included."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.frames import Frames
from reports.knowledge import board_order
from reports.page.packing import Json, coded, numbers, rates
from reports.statistics.intervals import wilson
from reports.summaries import ACCEPTED, BLOCK, PENDING, at_picks, victims

WEAK = "weak victim"
"""State of a cell that was measured, but on a victim that its gate refused."""


def cells_data(frames: Frames) -> Json:
    """Columns of the table, in the order of the plan; rates at the blind pick, intervals over test images alone."""
    cells, picks = frames.cells, at_picks(frames)
    found: Json = {name: coded(cells[name]) for name in ("model", "dataset", "attack", "method", "defense", "source")}
    found |= {"victim": coded(cells["victim"]), "state": coded(states(frames))}
    found["knowledge"] = coded(cells["board"], board_order)
    found |= {"seed": cells["seed"].tolist(), "seconds": numbers(cells["seconds"])}
    found |= {"strength": numbers(_strengths(frames)), "pick": numbers(picks["pick"])}
    for name, column, images in (
        ("success", "attack_success_rate", "test_images_other"),
        ("clean", "clean_accuracy", "test_images"),
    ):
        limits = _limits(picks[column], cells[images])
        found |= {name: rates(picks[column]), f"{name}_low": rates(limits[:, 0]), f"{name}_high": rates(limits[:, 1])}
        found[f"{name}_images"] = numbers(cells[images])
    for name, column in (("loss", "test_loss"), ("robust", "robust_accuracy"), ("general", "general_accuracy")):
        found[name] = rates(picks[column])
    found["rebound"] = rates(cells["rebound"].astype(float))
    return found


def states(frames: Frames) -> pd.Series[str]:
    """By cell: its status, or ``WEAK`` for a measured one whose victim is not ranked on."""
    cells = frames.cells
    known = cells[BLOCK].merge(victims(frames)[[*BLOCK, "state"]], on=BLOCK, how="left")["state"]
    refused = ~known.isin([ACCEPTED, PENDING]).to_numpy() & (cells["victim"] == "poisoned").to_numpy()
    return cells["status"].mask(refused & (cells["status"] == "ok").to_numpy(), WEAK)


def _limits(values: pd.Series[float], images: pd.Series[float]) -> NDArray[np.float64]:
    found, counted = (np.asarray(column, dtype=np.float64) for column in (values, images.fillna(0)))
    return wilson(found, counted)


def _strengths(frames: Frames) -> pd.Series[float]:
    """The strength at the blind pick of every cell; NaN in holes."""
    picks = frames.picks
    chosen = picks[(picks["rule"] == "blind") & (picks["budget"] == frames.plan.budget)].set_index("cell")
    return chosen["strength"].reindex(frames.cells.index)
