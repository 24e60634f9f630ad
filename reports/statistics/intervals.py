"""95 % intervals that match what was repeated: seeds and images, seeds alone, or images alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from benchmark.seeds import derive

Kind = Literal["bootstrap", "t", "images", "none"]
Floats = NDArray[np.float64]

CONFIDENCE = 0.95
SEEDS_FOR_BOOTSTRAP = 5
REPLICATES = 1000

MEANING: dict[Kind, str] = {
    "bootstrap": "bootstrap over seeds and test images",
    "t": "t-interval on seed means",
    "images": "test images only, nothing is known of the spread over seeds",
    "none": "no interval",
}


def kind_for(seeds: int, outcomes: bool) -> Kind:
    """Which interval a number of independently poisoned victims allows.

    Args:
        seeds: how many there are.
        outcomes: whether per-image outcomes are stored.
    """
    if seeds >= SEEDS_FOR_BOOTSTRAP and outcomes:
        return "bootstrap"
    if seeds >= 2:
        return "t"
    return "images" if seeds == 1 else "none"


def t_interval(values: Floats) -> Floats:
    """Student's interval of the mean over the last axis; NaN below two values. Shape: (..., S) -> (..., 2)."""
    count = values.shape[-1]
    if count < 2:
        return np.full((*values.shape[:-1], 2), np.nan)
    half = stats.t.ppf(0.5 + CONFIDENCE / 2, count - 1) * values.std(axis=-1, ddof=1) / np.sqrt(count)
    mean = values.mean(axis=-1)
    return np.stack([mean - half, mean + half], axis=-1)


def wilson(rates: Floats, images: Floats) -> Floats:
    """Wilson's interval of rates over a number of images; NaN where there are none. Shape: (...) -> (..., 2)."""
    safe = np.where(images > 0, images, 1)
    low, high = proportion_confint(np.nan_to_num(rates) * safe, safe, alpha=1 - CONFIDENCE, method="wilson")
    known = (images > 0) & np.isfinite(rates)
    return np.stack([np.where(known, low, np.nan), np.where(known, high, np.nan)], axis=-1)


def percentile_interval(replicates: NDArray[np.float32]) -> Floats:
    """The middle 95 % of the last axis. Shape: (..., B) -> (..., 2)."""
    tail = (1 - CONFIDENCE) / 2
    return np.moveaxis(np.quantile(replicates, [tail, 1 - tail], axis=-1).astype(np.float64), 0, -1)


@lru_cache(maxsize=2)
def image_weights(images: int, replicates: int = REPLICATES) -> NDArray[np.float32]:
    """How often each image is drawn in each bootstrap replicate (images, B), the same for every cell."""
    generator = np.random.default_rng(derive("bootstrap images", images))
    weights = np.empty((images, replicates), dtype=np.float32)
    for number in range(replicates):
        weights[:, number] = np.bincount(generator.integers(0, images, size=images), minlength=images)
    return weights


def seed_weights(attack: str, seeds: int, replicates: int = REPLICATES) -> NDArray[np.float32]:
    """Shares of the seeds of one attack in each replicate (seeds, B), the same for every defense."""
    generator = np.random.default_rng(derive("bootstrap seeds", attack, seeds))
    counts = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=replicates).T
    return (counts / seeds).astype(np.float32)


@dataclass(frozen=True)
class ImageBootstrap:
    """Rates of many cells under the same resampled images."""

    images: int
    replicates: int = REPLICATES

    def rates(self, hits: NDArray[np.bool_], among: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Shape: hits (R, n), among (R, n) -> (R, B); NaN where a replicate holds no image of ``among``."""
        weights = image_weights(self.images, self.replicates)
        masks, inverse = np.unique(among, axis=0, return_inverse=True)
        hit = (hits & among).astype(np.float32) @ weights
        total = masks.astype(np.float32) @ weights
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(hit / total[inverse.reshape(-1)], dtype=np.float32)
