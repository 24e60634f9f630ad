"""Dev attacks, which a defense may be tuned on, and held-out attacks, which only score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reports.scores import Blocks


def split_means(values: NDArray[np.float64], blocks: Blocks, held_out: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Mean success over the dev and over the held-out attacks, NaN where a cell of a side, or the side, is missing.

    Shape: values (M, blocks) -> (M,) each.
    """
    if not held_out:
        return dict.fromkeys(("dev_success", "held_out_success"), np.full(len(values), np.nan))
    held = np.array([attack in held_out for attack in blocks.attacks], dtype=np.bool_)
    return {"dev_success": _mean(values, blocks, ~held), "held_out_success": _mean(values, blocks, held)}


def _mean(values: NDArray[np.float64], blocks: Blocks, kept: NDArray[np.bool_]) -> NDArray[np.float64]:
    if not kept.any():
        return np.full(len(values), np.nan)
    side = Blocks(tuple(np.array(blocks.attacks)[kept]), tuple(np.array(blocks.seeds)[kept]))
    return np.asarray(values[:, kept] @ side.weights)


def split_note(names: Sequence[str], held_out: Sequence[str]) -> str:
    """Which eligible attacks stand on which side; empty where nothing is held out."""
    if not held_out:
        return ""
    dev = ", ".join(name for name in names if name not in held_out)
    held = ", ".join(name for name in names if name in held_out)
    none = "no accepted victim"
    return (
        f"Dev: attacks that defenses may be tuned on ({dev or none}); held out: those that only score ({held or none})."
    )
