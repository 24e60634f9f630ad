"""The benchmark's splits are disjoint, complete, shuffled, and the same everywhere."""

import numpy as np
import pytest

from benchmark.data.base import SPLITS
from benchmark.data.partition import Shares, rows_of, shuffled
from benchmark.errors import UserError

SHARES = Shares(test=0.1, validation=0.05, defender=0.2)


def test_the_four_splits_part_the_rows():
    parts = [rows_of(split, 1000, SHARES, 0) for split in SPLITS]
    assert sorted(np.concatenate(parts).tolist()) == list(range(1000))
    assert [len(part) for part in parts] == [650, 200, 50, 100]


def test_sorted_rows_come_out_mixed():
    first = shuffled(10_000, 0, "train")[:1000]
    assert abs(first.mean() - 5000) < 300
    assert abs((first < 1000).mean() - 0.1) < 0.03


def test_order_depends_on_seed_and_part_alone():
    assert np.array_equal(shuffled(500, 3, "train"), shuffled(500, 3, "train"))
    assert not np.array_equal(shuffled(500, 3, "train"), shuffled(500, 4, "train"))
    assert not np.array_equal(shuffled(500, 3, "train"), shuffled(500, 3, "test"))
    assert shuffled(8, 0, "train").tolist() == [4, 5, 7, 2, 0, 6, 1, 3]


@pytest.mark.parametrize("shares", [(0.5, 0.3, 0.2), (-0.1, 0.1, 0.1), (0.0, 1.0, 0.0)])
def test_shares_that_leave_nothing_are_refused(shares):
    with pytest.raises(UserError, match="must be in"):
        Shares(test=shares[0], validation=shares[1], defender=shares[2]).check("dataset 'x'")
