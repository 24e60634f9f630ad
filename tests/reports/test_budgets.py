"""Vectorised picks agree with the definitions that the runner uses."""

import numpy as np
import pytest

from benchmark.picking import VICTIM, blind_pick, loss_bound
from reports.statistics.budgets import AREA, blind_picks, last_within, loss_bounds


@pytest.mark.parametrize("seed", range(20))
def test_loss_bounds_equal_the_bound_of_each_point(seed):
    generator = np.random.default_rng(seed)
    before = generator.random(120) < 0.8
    after = generator.random((6, 120)) < generator.uniform(0.5, 0.9, (6, 1))
    after[0] = before
    expected = [loss_bound(before, point) for point in after]
    assert loss_bounds(before, after) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_blind_picks_equal_the_pick_at_each_budget(seed):
    generator = np.random.default_rng(seed)
    before = generator.random(300) < 0.8
    drift = np.sort(generator.random((8, 300)), axis=0) < np.linspace(0, 0.15, 8)[:, None]
    after = before & ~drift
    budgets = np.array([0.0, 0.5, 1.0, 2.0, 5.0, 30.0])
    expected = [blind_pick(before, list(after), budget) for budget in budgets]
    assert blind_picks(loss_bounds(before, after), budgets).tolist() == expected


def test_a_curve_without_points_keeps_the_victim():
    assert blind_picks(np.zeros(0), np.array([1.0, 2.0])).tolist() == [VICTIM, VICTIM]


def test_a_later_point_within_the_budget_is_not_reached_past_one_that_exceeds_it():
    assert blind_picks(np.array([0.00, 0.03, 0.01]), np.array([2.0])).tolist() == [0]


def test_area_covers_zero_to_five_in_quarters():
    assert AREA[0] == 0 and AREA[-1] == 5 and len(AREA) == 21


def test_the_last_point_within_the_budget_may_come_after_one_that_is_not():
    bounds = np.array([0.01, 0.05, 0.02, 0.03])
    assert last_within(bounds, 2.0) == 2 and blind_picks(bounds, np.array([2.0])).tolist() == [0]
    assert last_within(bounds, 0.5) == VICTIM
    assert last_within(np.array([]), 2.0) == VICTIM
