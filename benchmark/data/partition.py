"""Which rows of a source belong to which of the benchmark's splits, in which order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmark.data.base import Split
from benchmark.data.records import Rows
from benchmark.errors import UserError
from benchmark.seeds import image_ids


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Shares of the source's training rows that go to each split, each in [0, 1); ``train`` takes the rest.

    ``test`` only counts where the source has no test split of its own.
    """

    test: float
    validation: float
    defender: float

    def check(self, where: str) -> None:
        """Raises a ``UserError`` unless all shares are in [0, 1) and leave something for training."""
        shares = (self.test, self.validation, self.defender)
        if not all(0 <= share < 1 for share in shares) or sum(shares) >= 1:
            raise UserError(f"{where}: the shares of test, validation and defender must be in [0, 1) and sum below 1")


def shuffled(count: int, seed: int, part: str) -> Rows:
    """All ``count`` rows in an order that is a function of (seed, part) alone, the same on every machine."""
    keys = image_ids(f"order {seed}", part, np.arange(count, dtype=np.int64))
    return np.argsort(keys, kind="stable")


def rows_of(split: Split, count: int, shares: Shares, seed: int) -> Rows:
    """The rows of a split among ``count`` training rows: the order is cut into test, validation, defender, train.

    Disjoint by construction, and a prefix of the result is a random sample of the split.
    """
    order = shuffled(count, seed, "train")
    cuts = np.cumsum([int(count * share) for share in (shares.test, shares.validation, shares.defender)])
    test, validation, defender, train = np.split(order, cuts)
    return {"test": test, "validation": validation, "defender": defender, "train": train}[split]
