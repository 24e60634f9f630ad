"""Sketches of task vectors: a few thousand numbers that keep angles, so that vectors of different runs can be compared.

Every weight is added, with a random sign, to one random bucket (count sketch, arXiv 0902.2206). Which bucket and sign
is a function of the parameter's name and the weight's place alone, so that sketches of one architecture fit together.
The cosine of two sketches is that of the vectors up to a standard error of about 1 / sqrt(WIDTH) = 0.011. Without
torch, for reports as well.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from benchmark.seeds import derive, mix

WIDTH = 8192

Numbers = NDArray[np.float64]


def sketch(vector: Mapping[str, NDArray[np.float32]]) -> Numbers:
    """A vector, by parameter name, as WIDTH numbers of unit length together; zeros for the zero vector."""
    found = np.zeros(WIDTH)
    for name, value in vector.items():
        with np.errstate(over="ignore"):
            draws = mix(np.uint64(derive("sketch", name)) + np.arange(value.size, dtype=np.uint64))
        signs = np.where(draws >> np.uint64(63), 1.0, -1.0)
        places = (draws % np.uint64(WIDTH)).astype(np.int64)
        found += np.bincount(places, weights=signs * value.reshape(-1), minlength=WIDTH)
    length = float(np.linalg.norm(found))
    return found / length if length > 0 else found


def packed(numbers: Numbers) -> str:
    """A sketch as the base64 text of little-endian half-precision numbers."""
    return base64.b64encode(numbers.astype("<f2").tobytes()).decode("ascii")


def unpacked(text: str) -> Numbers:
    """The sketch that was packed."""
    return np.frombuffer(base64.b64decode(text), dtype="<f2").astype(np.float64)


def cosines(sketches: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosines (n, n) between n sketches (n, WIDTH); 0 with a sketch of zeros."""
    lengths = np.linalg.norm(sketches, axis=1, keepdims=True)
    unit = sketches / np.where(lengths > 0, lengths, 1.0)
    found: NDArray[np.float64] = unit @ unit.T
    return found
