"""Paired comparisons of defenses by sign flips over blocks, corrected by Holm, and the tiers that follow."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.multitest import multipletests

from benchmark.seeds import derive

LEVEL = 0.05
_CHUNK = 4096
_TOLERANCE = 1e-12

Floats = NDArray[np.float64]


@lru_cache(maxsize=4)
def flips(blocks: int, resamples: int) -> tuple[Floats, bool]:
    """Signs (B, blocks) of a paired permutation test, and whether they are all that there are.

    All 2**blocks where that is at most ``resamples``; otherwise ``resamples`` random ones, the same for the same
    arguments.
    """
    if blocks < 63 and 2**blocks <= resamples:
        codes = np.arange(2**blocks)[:, None] >> np.arange(blocks)[None, :]
        return (1 - 2 * (codes & 1)).astype(np.float64), True
    generator = np.random.default_rng(derive("sign flips", blocks))
    return generator.choice([-1.0, 1.0], size=(resamples, blocks)), False


def sign_flip_p_values(differences: Floats, weights: Floats, resamples: int = 9999) -> Floats:
    """Two-sided p-values of "the weighted mean difference is zero", by flipping the sign of whole blocks.

    Exact where all flips are tried; otherwise the observed one counts as one more, so that no p-value is zero.

    Shape: differences (pairs, blocks), weights (blocks,) summing to 1 -> (pairs,).
    """
    weighted = (differences * weights).T
    observed = np.abs(weighted.sum(axis=0)) - _TOLERANCE
    signs, exact = flips(differences.shape[1], resamples)
    reached = np.zeros(len(differences), dtype=np.int64)
    for start in range(0, len(signs), _CHUNK):
        reached += (np.abs(signs[start : start + _CHUNK] @ weighted) >= observed).sum(axis=0)
    return np.asarray(reached / len(signs) if exact else (reached + 1) / (len(signs) + 1))


@contextmanager
def _young_heap() -> Iterator[None]:
    """Hides older objects from the full garbage collection that ``multipletests`` starts with every call.

    It costs a tenth of a second on a large report and there are hundreds of calls.
    """
    already = gc.get_freeze_count()
    gc.freeze()
    try:
        yield
    finally:
        if not already:
            gc.unfreeze()


def holm(p_values: Floats) -> Floats:
    """Family-wise corrected p-values; an empty family stays empty."""
    if not len(p_values):
        return p_values
    with _young_heap():
        return np.asarray(multipletests(p_values, method="holm")[1])


@dataclass(frozen=True)
class Comparison:
    """All pairs of M defenses on the same blocks.

    Attributes:
        p_values: (M, M) uncorrected; 1 on the diagonal and between identical defenses.
        corrected: (M, M) after Holm over the distinct pairs.
        tiers: (M,) from 1; a tier holds everyone who is not worse than its leader.
        smallest: the smallest p-value that this number of blocks can give, uncorrected.
    """

    p_values: Floats
    corrected: Floats
    tiers: NDArray[np.int64]
    smallest: float


def compare(values: Floats, weights: Floats) -> Comparison:
    """Compares defenses by their attack success on the same victims and images; lower is better.

    Identical rows count once, so that listing a defense twice changes no other comparison, and nothing depends on
    the order of the rows.

    Shape: values (M, blocks), weights (blocks,) summing to 1.
    """
    distinct, inverse = np.unique(values, axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    first, second = np.triu_indices(len(distinct), k=1)
    raw = np.ones((len(distinct), len(distinct)))
    corrected = raw.copy()
    resamples = max(9999, 100 * len(first))
    if len(first):
        found = sign_flip_p_values(distinct[first] - distinct[second], weights, resamples)
        raw[first, second] = raw[second, first] = found
        corrected[first, second] = corrected[second, first] = holm(found)
    blocks = values.shape[1]
    exact = blocks < 63 and 2**blocks <= resamples
    smallest = min(1.0, 2.0 / 2**blocks) if exact else 1 / (resamples + 1)
    tiers = _tiers(distinct @ weights, distinct, corrected)
    return Comparison(raw[inverse][:, inverse], corrected[inverse][:, inverse], tiers[inverse], smallest)


def _tiers(scores: Floats, values: Floats, corrected: Floats) -> NDArray[np.int64]:
    """Leaders are taken by score; equal scores by the values themselves, never by name or place."""
    remaining = list(np.lexsort((*values.T[::-1], np.round(scores, 12))))
    tiers = np.zeros(len(scores), dtype=np.int64)
    tier = 0
    while remaining:
        tier += 1
        leader = remaining[0]
        members = [row for row in remaining if row == leader or corrected[leader, row] > LEVEL]
        tiers[members] = tier
        remaining = [row for row in remaining if row not in members]
    return tiers
