"""Seeds as hashes of the named dimensions that they may depend on; nothing here touches a global generator."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_A = np.uint64(0xBF58476D1CE4E5B9)
_MIX_B = np.uint64(0x94D049BB133111EB)


def derive(*dimensions: object) -> int:
    """A seed in [0, 2**63) that is a function of ``dimensions`` alone, the same on every machine."""
    text = "\x1f".join(str(dimension) for dimension in dimensions)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The splitmix64 finaliser (doi:10.1145/2660193.2660195), elementwise on unsigned 64-bit integers."""
    with np.errstate(over="ignore"):
        z = values + _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * _MIX_A
        z = (z ^ (z >> np.uint64(27))) * _MIX_B
    return z ^ (z >> np.uint64(31))


def image_ids(dataset: str, split: str, indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Identifiers in [0, 2**63), a function of (dataset, split, index); shape as ``indices``."""
    base = np.uint64(derive("image", dataset, split))
    with np.errstate(over="ignore"):
        return (mix(base + indices.astype(np.uint64)) >> np.uint64(1)).astype(np.int64)


def uniforms(seed: int, indices: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """``count`` uniform numbers in [0, 1) for every index, each row a function of (seed, index) alone.

    Shape: indices (N,) -> (N, count).
    """
    with np.errstate(over="ignore"):
        rows = mix(np.uint64(derive("uniforms", seed)) ^ mix(indices.astype(np.uint64)))
        draws = mix(rows[:, None] + np.arange(count, dtype=np.uint64)[None, :] * _GOLDEN)
    return (draws >> np.uint64(11)).astype(np.float64) * 2.0**-53
