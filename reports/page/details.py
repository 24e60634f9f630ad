"""What the page shows when a reader opens one cell."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from reports.frames import Frames
from reports.page.packing import Json, Number, coded, numbers, rates

_POINT_RATES = ("clean_accuracy", "attack_success_rate", "robust_accuracy", "target_recall", "trigger_shift")
_TEXTS = ("reason", "gate_reason", "utc", "device")
_NUMBERS = (
    *("seconds", "device_seconds", "peak_memory_bytes", "clean_pairs", "triggered_pairs", "optimiser_steps"),
    *("trainable_parameters", "metric_version"),
)
_PACKED = ("parameters", "gate", "packages", "plugins", "seeds", "keys", "stage_seconds")
_SHARED_TEXTS = ("traceback", "git_commit")


def details_data(frames: Frames) -> Json:
    """Columns with an entry per cell; ``shared`` and ``packed`` ones hold numbers of values in ``pool``.

    ``points`` holds one list per point, the victim first: strength, seconds, then the rates named by ``point_rates``.
    """
    details, order = frames.details, range(len(frames.cells))
    rows = [details.cells.get(cell, {}) for cell in order]
    cells = frames.cells
    return {
        "key": cells["key"].tolist(),
        "texts": {name: coded(cells[name]) for name in _TEXTS},
        "numbers": {name: numbers(cells[name]) for name in _NUMBERS}
        | {"pairs_seen": numbers(row.get("pairs_seen", np.nan) for row in rows)},
        "pool": details.pool.values,
        "shared": {name: [row.get(name) for row in rows] for name in _SHARED_TEXTS},
        "packed": {name: [row.get(name) for row in rows] for name in _PACKED},
        "oracle": numbers(_oracle(frames)),
        "clean_model": {name: rates(cells[f"clean_model_{name}"]) for name in _POINT_RATES},
        "point_rates": list(_POINT_RATES),
        "points": _points(frames.points, len(cells)),
    }


def _oracle(frames: Frames) -> pd.Series[float]:
    chosen = frames.picks[frames.picks["rule"] == "oracle"].set_index("cell")
    return chosen["point"].reindex(frames.cells.index).astype(float)


def _points(points: pd.DataFrame, cells: int) -> list[list[list[Number]]]:
    """Per cell its points in order; none in holes."""
    points = points.sort_values(["cell", "point"])
    columns = [numbers(points["strength"], 4), numbers(points["seconds"], 4)]
    columns += [rates(points[name]) for name in _POINT_RATES]
    rows = [list(row) for row in zip(*columns, strict=True)]
    ends = np.searchsorted(points["cell"].to_numpy(), np.arange(cells + 1)).tolist()
    return [rows[start:end] for start, end in pairwise(ends)]
