"""The blind pick walks up the strengths and stops for good; the oracle pick is told the attack's success."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmark.picking import VICTIM, blind_pick, loss_bound, oracle_pick

flags = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=60)


def right(count, total=1000):
    """Right on the first ``count`` of ``total`` images."""
    return np.arange(total) < count


def split(rows):
    before, after = zip(*rows, strict=True)
    return np.array(before), np.array(after)


@given(flags, st.sampled_from([0.9, 0.95, 0.99]))
def test_the_bound_is_scipys_paired_one_sided_interval(rows, confidence):
    before, after = split(rows)
    loss = before.astype(float) - after.astype(float)
    if loss.std() == 0:
        assert loss_bound(before, after, confidence) == loss[0]
        return
    paired = stats.ttest_rel(before.astype(float), after.astype(float), alternative="less")
    expected = paired.confidence_interval(confidence).high
    assert loss_bound(before, after, confidence) == pytest.approx(expected, abs=1e-12)


@given(flags)
def test_the_bound_is_never_below_the_mean_loss(rows):
    before, after = split(rows)
    assert loss_bound(before, after) >= before.mean() - after.mean() - 1e-12


def test_one_image_has_no_spread():
    assert loss_bound(np.array([True]), np.array([False])) == 1.0


def test_pairing_makes_the_bound_tight_where_the_same_images_are_right():
    before = right(900)
    same, elsewhere = right(895), np.roll(right(895), 50)
    assert loss_bound(before, same) < loss_bound(before, elsewhere)


def test_the_last_point_before_the_first_that_exceeds_the_budget():
    points = [right(900), right(898), right(895), right(800), right(700)]
    assert blind_pick(right(900), points, 2.0) == 2


def test_the_walk_stops_for_good_at_the_first_that_exceeds_it():
    points = [right(900), right(700), right(900), right(900)]
    assert blind_pick(right(900), points, 2.0) == 0


def test_the_victim_stays_where_the_first_point_exceeds_the_budget():
    assert blind_pick(right(900), [right(700), right(900)], 2.0) == VICTIM
    assert blind_pick(right(900), [], 2.0) == VICTIM


def test_a_mean_within_the_budget_is_not_enough_when_the_bound_is_not():
    before, after = right(900), right(885)
    assert before.mean() - after.mean() < 0.02
    assert blind_pick(before, [after], 2.0) == VICTIM
    assert blind_pick(before, [after], 2.5) == 0


def test_the_budget_is_in_percentage_points():
    assert blind_pick(right(1000), [np.ones(1000, dtype=bool)], 0.0) == 0
    assert blind_pick(right(1000), [right(0)], 100.0) == 0
    assert blind_pick(right(1000), [right(0)], 99.9) == VICTIM


@given(flags, st.integers(1, 5), st.floats(0, 100), st.floats(0, 100))
def test_a_larger_budget_never_picks_a_weaker_point(rows, count, first, second):
    victim, after = split(rows)
    points = [np.roll(after, shift) for shift in range(count)]
    low, high = sorted((first, second))
    assert blind_pick(victim, points, low) <= blind_pick(victim, points, high)


@given(flags, st.floats(0, 100))
def test_every_point_up_to_the_blind_pick_is_within_the_budget(rows, budget):
    victim, after = split(rows)
    points = [np.roll(after, shift) for shift in range(4)]
    pick = blind_pick(victim, points, budget)
    bounds = [loss_bound(victim, point) for point in points]
    assert all(bound <= budget / 100 for bound in bounds[: pick + 1])
    assert pick == len(points) - 1 or bounds[pick + 1] > budget / 100


def test_the_oracle_takes_the_lowest_success_within_the_budget():
    points = [right(900), right(890), right(700)]
    assert oracle_pick(right(900), points, [0.9, 0.5, 0.0], 2.0) == 1


def test_the_oracle_may_skip_a_point_that_stops_the_blind_walk():
    points = [right(900), right(700), right(895)]
    assert oracle_pick(right(900), points, [0.9, 0.0, 0.1], 2.0) == 2
    assert blind_pick(right(900), points, 2.0) == 0


def test_the_oracle_keeps_the_victim_where_nothing_is_within_the_budget():
    assert oracle_pick(right(900), [right(700)], [0.0], 2.0) == VICTIM
    assert oracle_pick(right(900), [], [], 2.0) == VICTIM


def test_the_oracle_prefers_the_weaker_of_two_equal_points():
    assert oracle_pick(right(900), [right(900), right(900)], [0.3, 0.3], 2.0) == 0


def test_the_oracles_budget_includes_its_edge():
    assert oracle_pick(right(900), [right(880)], [0.0], 2.0) == 0
    assert oracle_pick(right(900), [right(879)], [0.0], 2.0) == VICTIM
