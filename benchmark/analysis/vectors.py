"""How long task vectors are and how far they point the same way, over the whole model and over the vision tower."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from benchmark.arithmetic import Vector, cosine, norm

PARTS = ("both", "vision")
"""Towers that are compared; trigger vectors often move the vision tower alone."""


def vision_part(vector: Mapping[str, Tensor]) -> Vector:
    return {name: value for name, value in vector.items() if name.startswith("visual.")}


def compared(vectors: Mapping[str, Vector]) -> dict[str, Any]:
    """Norms by part and name, and cosines by part, name and name; a cosine with a vector of length 0 is 0."""
    found: dict[str, Any] = {}
    for part in PARTS:
        parts = {name: vector if part == "both" else vision_part(vector) for name, vector in vectors.items()}
        found[part] = {
            "norms": {name: norm(vector) for name, vector in parts.items()},
            "cosines": {one: {other: cosine(parts[one], parts[other]) for other in parts} for one in parts},
        }
    return found
