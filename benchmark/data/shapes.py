"""Procedural pictures of ten shapes with captions of varying detail; every image is a function of (seed, index)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.data.base import GENERIC_TEMPLATES, Split
from benchmark.data.drawing import COLOURS, OUTLINES, PATTERNS
from benchmark.errors import UserError
from benchmark.ranges import Seed
from benchmark.seeds import derive, image_ids, uniforms
from benchmark.types import Pairs

_DRAWS = 20
_SUPERSAMPLING = 2
_BLOCK = 1024
_LEADS = ("a photo of", "a picture of", "a drawing of", "an image of", "")


def _choice(draws: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    return np.minimum(np.floor(draws * count), count - 1).astype(np.int64)


def _article(words: str) -> str:
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"


@dataclass(frozen=True, kw_only=True)
class _Scene:
    """What is in each of N images; every array has one entry per image."""

    shape: NDArray[np.int64]
    colour: NDArray[np.int64]
    background: NDArray[np.int64]
    pattern: NDArray[np.int64]
    radius: NDArray[np.float32]
    draws: NDArray[np.float32]

    @classmethod
    def of(cls, draws: NDArray[np.float32]) -> _Scene:
        colour = _choice(draws[:, 1], len(COLOURS))
        other = 1 + _choice(draws[:, 2], len(COLOURS) - 1)
        return cls(
            shape=_choice(draws[:, 0], len(OUTLINES)),
            colour=colour,
            background=(colour + other) % len(COLOURS),
            pattern=_choice(draws[:, 3], len(PATTERNS)),
            radius=0.5 + 0.38 * draws[:, 4],
            draws=draws,
        )

    def captions(self) -> tuple[str, ...]:
        shapes, colours, patterns = list(OUTLINES), list(COLOURS), list(PATTERNS)
        texts = []
        for i, told in enumerate(self.draws[:, 12:17]):
            words = [shapes[self.shape[i]]]
            if told[0] < 0.5:
                words.insert(0, colours[self.colour[i]])
            if told[1] < 0.35 and not 0.62 < self.radius[i] < 0.76:
                words.insert(0, "small" if self.radius[i] < 0.69 else "large")
            text = _article(" ".join(words))
            if told[2] < 0.3:
                ground = f"{patterns[self.pattern[i]]} {colours[self.background[i]]} background"
                text = f"{text} on {_article(ground)}"
            lead = _LEADS[int(told[3] * len(_LEADS))]
            texts.append(f"{lead} {text}".strip())
        return tuple(texts)

    def render(self, size: int) -> NDArray[np.uint8]:
        """The images (N, 3, size, size)."""
        fine = size * _SUPERSAMPLING
        axis = ((np.arange(fine, dtype=np.float32) + 0.5) / fine) * 2 - 1
        y, x = (grid.astype(np.float32) for grid in np.meshgrid(axis, axis, indexing="ij"))
        inside = self._inside(x, y)
        shade = self._shade(x, y)
        palette = np.array(list(COLOURS.values()), dtype=np.float32)
        jitter = (self.draws[:, 17:20] - 0.5) * 0.16
        front = (palette[self.colour] + jitter)[:, :, None, None]
        back = (palette[self.background] - jitter)[:, :, None, None]
        toward = np.where(back.mean(axis=1, keepdims=True) > 0.5, 0.0, 1.0).astype(np.float32)
        back = back + 0.2 * shade[:, None] * (toward - back)
        picture = np.where(inside[:, None], front, back)
        count = len(self.shape)
        picture = picture.reshape(count, 3, size, _SUPERSAMPLING, size, _SUPERSAMPLING).mean(axis=(3, 5))
        pixels: NDArray[np.uint8] = np.rint(np.clip(picture, 0.0, 1.0) * 255).astype(np.uint8)
        return pixels

    def _inside(self, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.bool_]:
        room = (1 - self.radius)[:, None, None]
        dx = x - (self.draws[:, 5, None, None] * 2 - 1) * room
        dy = y - (self.draws[:, 6, None, None] * 2 - 1) * room
        angle = ((self.draws[:, 7] - 0.5) * 0.5)[:, None, None]
        scale = 1 / self.radius[:, None, None]
        u = (dx * np.cos(angle) + dy * np.sin(angle)) * scale
        v = (dy * np.cos(angle) - dx * np.sin(angle)) * scale
        inside = np.empty(u.shape, dtype=np.bool_)
        for number, outline in enumerate(OUTLINES.values()):
            rows = self.shape == number
            inside[rows] = outline(u[rows], v[rows])
        return inside

    def _shade(self, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
        u = x + 2 + self.draws[:, 8, None, None]
        v = y + 2 + self.draws[:, 9, None, None]
        shade = np.empty(u.shape, dtype=np.float32)
        for number, pattern in enumerate(PATTERNS.values()):
            rows = self.pattern == number
            shade[rows] = pattern(u[rows], v[rows])
        return shade


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """Ten shapes in varied colours, sizes, places and backgrounds; any number of pairs in every split.

    The class always appears in the caption; colour, size and background only sometimes.
    """

    seed: Seed = 0

    name = "shapes"
    class_names = tuple(OUTLINES)
    templates = (*GENERIC_TEMPLATES, "a drawing of a {}")
    default_counts: ClassVar[dict[str, int]] = {"train": 20_000, "defender": 2_000, "validation": 1_000, "test": 2_000}

    def load(self, split: Split, count: int | None, image_size: int) -> Pairs:
        total = self.default_counts[split] if count is None else count
        if total < 1:
            raise UserError(f"dataset 'shapes': asked for {total} images of split '{split}'; ask for at least one")
        indices = np.arange(total, dtype=np.int64)
        scene = _Scene.of(uniforms(derive("shapes", self.seed, split), indices, _DRAWS).astype(np.float32))
        blocks = [
            _Scene.of(scene.draws[start : start + _BLOCK]).render(image_size) for start in range(0, total, _BLOCK)
        ]
        return Pairs(
            images=torch.from_numpy(np.concatenate(blocks)),
            captions=scene.captions(),
            labels=torch.from_numpy(scene.shape),
            class_names=self.class_names,
            ids=torch.from_numpy(image_ids("shapes", split, indices)),
            dataset="shapes",
            split=split,
        )
