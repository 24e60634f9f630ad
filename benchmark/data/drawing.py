"""Outlines, patterns and colours for the procedural images: NumPy arrays in, NumPy arrays out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.float32]
Mask = NDArray[np.bool_]

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.85, 0.12, 0.12),
    "green": (0.10, 0.62, 0.20),
    "blue": (0.14, 0.26, 0.85),
    "yellow": (0.93, 0.85, 0.15),
    "purple": (0.55, 0.15, 0.65),
    "orange": (0.95, 0.52, 0.10),
    "white": (0.94, 0.94, 0.94),
    "black": (0.07, 0.07, 0.07),
}


def _star(x: Grid, y: Grid) -> Mask:
    angle = np.arctan2(x, -y)
    sector = np.abs((angle + np.pi / 5) % (2 * np.pi / 5) - np.pi / 5)
    radius = np.hypot(x, y)
    inside: Mask = radius * (np.cos(sector) + 1.38 * np.sin(sector)) < 0.98
    return inside


def _heart(x: Grid, y: Grid) -> Mask:
    u, v = 1.2 * x, -1.2 * y + 0.1
    inside: Mask = (u * u + v * v - 0.9) ** 3 - u * u * v * v * v < 0
    return inside


def _arrow(x: Grid, y: Grid) -> Mask:
    shaft = (np.abs(y) < 0.22) & (x > -0.95) & (x < 0.25)
    return shaft | ((x >= 0.1) & (np.abs(y) < 0.85 * (0.95 - x)))


def _cross(x: Grid, y: Grid) -> Mask:
    arms = (np.abs(x) < 0.3) | (np.abs(y) < 0.3)
    inside: Mask = arms & (np.maximum(np.abs(x), np.abs(y)) < 0.92)
    return inside


OUTLINES: dict[str, Callable[[Grid, Grid], Mask]] = {
    "circle": lambda x, y: x * x + y * y < 0.8,
    "square": lambda x, y: np.maximum(np.abs(x), np.abs(y)) < 0.8,
    "triangle": lambda x, y: (y < 0.75) & (1.7 * np.abs(x) - y < 0.95),
    "star": _star,
    "heart": _heart,
    "cross": _cross,
    "ring": lambda x, y: (x * x + y * y < 0.9) & (x * x + y * y > 0.3),
    "moon": lambda x, y: (x * x + y * y < 0.9) & ((x - 0.45) ** 2 + y * y > 0.55),
    "arrow": _arrow,
    "diamond": lambda x, y: np.abs(1.35 * x) + np.abs(y) < 0.98,
}
"""Each shape in its own coordinates: x to the right, y down, both about in [-1, 1]."""

PATTERNS: dict[str, Callable[[Grid, Grid], Grid]] = {
    "plain": lambda x, y: np.zeros_like(x),
    "striped": lambda x, y: (np.floor(x * 4) % 2).astype(np.float32),
    "checkered": lambda x, y: ((np.floor(x * 3) + np.floor(y * 3)) % 2).astype(np.float32),
    "dotted": lambda x, y: (((x * 3) % 1 - 0.5) ** 2 + ((y * 3) % 1 - 0.5) ** 2 < 0.07).astype(np.float32),
}
"""How far a background is shaded at each place, in [0, 1]; coordinates span 2 units."""
