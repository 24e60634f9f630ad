"""Means over attacks and seeds of one board, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from reports.frames import Bits
from reports.statistics.intervals import (
    SEEDS_FOR_BOOTSTRAP,
    ImageBootstrap,
    Kind,
    kind_for,
    percentile_interval,
    seed_weights,
    t_interval,
    wilson,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Blocks:
    """The eligible victims of a board: the attack and the seed of each.

    Every attack weighs the same, and every seed of an attack the same.
    """

    attacks: tuple[str, ...]
    seeds: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.attacks)

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.attacks))

    @cached_property
    def averaging(self) -> Floats:
        """(blocks, attacks): the mean over the seeds of each attack."""
        member = np.array(self.attacks)[:, None] == np.array(self.names)[None, :]
        return np.asarray(member / np.maximum(member.sum(axis=0), 1))

    @property
    def weights(self) -> Floats:
        """(blocks,), summing to 1: the mean over attacks of means over seeds."""
        return np.asarray(self.averaging.mean(axis=1))

    @property
    def repeats(self) -> int:
        """Seeds of the attack that has fewest; of the one that has most where that is below the bootstrap's need."""
        counts = [self.attacks.count(name) for name in self.names] or [0]
        return min(max(counts), max(min(counts), SEEDS_FOR_BOOTSTRAP - 1))

    def without(self, attack: str) -> tuple[Blocks, NDArray[np.bool_]]:
        """The blocks of the other attacks, and which ones they are (blocks,)."""
        kept = np.array([name != attack for name in self.attacks])
        pairs = [(a, s) for a, s in zip(self.attacks, self.seeds, strict=True) if a != attack]
        return Blocks(tuple(a for a, _ in pairs), tuple(s for _, s in pairs)), kept

    def seed_means(self, values: Floats) -> Floats:
        """One value per seed, attacks with a single seed left out of the spread; shape (M, blocks) -> (M, S).

        Where an attack lacks a seed, the seed's deviation from the attack means stands in for its mean.
        """
        means = values @ self.averaging
        member = np.array(self.attacks)[:, None] == np.array(self.names)[None, :]
        repeated = (member & (member.sum(axis=0) > 1)).any(axis=1)
        deviations = values - means @ member.T
        columns = []
        for seed in sorted(set(np.array(self.seeds)[repeated].tolist())):
            chosen = repeated & (np.array(self.seeds) == seed)
            columns.append(deviations[:, chosen].mean(axis=1))
        found = np.stack(columns, axis=1) if columns else np.zeros((len(values), 0))
        return np.asarray(found + means.mean(axis=1, keepdims=True))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One rate of M methods on the blocks of a board.

    Attributes:
        values: (M, blocks), NaN in holes.
        cells: (M, blocks) indices into ``bits``, -1 in holes.
        images: (blocks,) how many images each rate is over.
        field: which of the stored bits it is: "success" (over images not of the target) or "clean_right".
    """

    values: Floats
    cells: NDArray[np.int64]
    images: Floats
    field: str


def score_intervals(outcome: Outcome, blocks: Blocks, bits: dict[int, Bits]) -> tuple[Floats, list[Kind]]:
    """The interval of the mean over attacks and seeds of each method; (M, 2) and its kind.

    A spread of exactly zero over the seeds says nothing of the images, so Wilson's interval stands in and says so.
    """
    scores = outcome.values @ blocks.weights if len(blocks) else np.full(len(outcome.values), np.nan)
    found = np.full((len(scores), 2), np.nan)
    kinds: list[Kind] = ["none"] * len(scores)
    fallback = wilson(scores, np.full(len(scores), outcome.images.min() if len(blocks) else 0.0))
    for row in np.flatnonzero(np.isfinite(scores)):
        stored = len({bits[cell].count if cell in bits else -cell for cell in outcome.cells[row].tolist()}) == 1
        stored = stored and outcome.cells[row, 0] in bits
        kind = kind_for(blocks.repeats, stored)
        one = Outcome(
            values=outcome.values[[row]], cells=outcome.cells[[row]], images=outcome.images, field=outcome.field
        )
        if kind == "t":
            found[row] = t_interval(blocks.seed_means(one.values))[0]
        elif stored:
            found[row] = percentile_interval(replicates(one, blocks, bits))[0]
        if not found[row, 1] - found[row, 0] > 0:
            found[row], kind = fallback[row], "images"
        kinds[row] = kind
    return np.clip(found, 0, 1), kinds


def replicates(outcome: Outcome, blocks: Blocks, bits: dict[int, Bits]) -> NDArray[np.float32]:
    """Bootstrap replicates of the mean over attacks (M, B): images drawn once for all cells, seeds once per attack."""
    methods, count = outcome.cells.shape
    rates = cell_replicates(outcome.cells.reshape(-1), bits, outcome.field).reshape(methods, count, -1)
    total: NDArray[np.float32] = np.zeros((methods, rates.shape[-1]), dtype=np.float32)
    for name in blocks.names:
        rows = [place for place, attack in enumerate(blocks.attacks) if attack == name]
        total += np.einsum("msb,sb->mb", rates[:, rows], seed_weights(name, len(rows), rates.shape[-1]))
    mean: NDArray[np.float32] = total / np.float32(len(blocks.names))
    return mean


def cell_replicates(cells: Sequence[int] | NDArray[np.int64], bits: dict[int, Bits], field: str) -> NDArray[np.float32]:
    """Rates of single cells under resampled images (cells, B)."""
    found = [bits[int(cell)] for cell in cells]
    images = found[0].count
    hits = np.unpackbits(np.stack([getattr(one, field)[1] for one in found]), axis=-1, count=images).astype(np.bool_)
    among = np.ones_like(hits)
    if field == "success":
        among = np.unpackbits(np.stack([one.other for one in found]), axis=-1, count=images).astype(np.bool_)
    return ImageBootstrap(images).rates(hits, among)
