"""Sign flips, Holm and tiers: known values, and what must change nothing."""

import numpy as np
import pytest
from scipy import stats

from reports.statistics.comparisons import compare, holm, sign_flip_p_values

EVEN = np.full(4, 0.25)


def test_all_differences_of_one_sign_give_the_smallest_p_value():
    assert sign_flip_p_values(np.array([[0.1, 0.2, 0.3, 0.4]]), EVEN) == pytest.approx([2 / 16])


def test_a_known_p_value_by_hand():
    # |sum| over the eight flips of (3, 1, 1): 5, 3, 3, 1, 1, 3, 3, 5; the observed 3 + 1 - 1 = 3 is reached six times
    assert sign_flip_p_values(np.array([[3.0, 1.0, -1.0]]), np.full(3, 1 / 3)) == pytest.approx([6 / 8])


def test_no_difference_gives_one():
    assert sign_flip_p_values(np.zeros((1, 4)), EVEN) == pytest.approx([1.0])


def test_exact_p_values_agree_with_scipy():
    differences = np.random.default_rng(0).normal(0.1, 0.3, size=(5, 9))
    found = sign_flip_p_values(differences, np.full(9, 1 / 9))
    for row, p_value in zip(differences, found, strict=True):
        expected = stats.permutation_test((row,), np.mean, permutation_type="samples", n_resamples=np.inf)
        assert p_value == pytest.approx(expected.pvalue)


def test_random_flips_come_close_to_the_exact_value_and_are_never_zero():
    differences = np.random.default_rng(1).normal(0.1, 0.3, size=(4, 12))
    weights = np.full(12, 1 / 12)
    exact = sign_flip_p_values(differences, weights, resamples=2**12)
    drawn = sign_flip_p_values(differences, weights, resamples=2**12 - 1)
    assert drawn == pytest.approx(exact, abs=0.03)
    assert sign_flip_p_values(np.ones((1, 40)), np.full(40, 1 / 40))[0] == pytest.approx(1 / 10000)


def test_holm_by_hand():
    assert holm(np.array([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])


def blocks(*means: float, count: int = 12, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return np.array(means)[:, None] + generator.normal(0, 0.02, (len(means), count))


WEIGHTS = np.full(12, 1 / 12)


def test_clear_differences_make_tiers_and_small_ones_tie():
    found = compare(blocks(0.10, 0.101, 0.60, 0.601), WEIGHTS)
    assert found.tiers.tolist() == [1, 1, 2, 2]


def test_few_blocks_cannot_part_anyone():
    values = blocks(0.1, 0.9, count=3)
    found = compare(values, np.full(3, 1 / 3))
    assert found.tiers.tolist() == [1, 1]
    assert found.smallest == pytest.approx(0.25)


def test_swapping_names_changes_nothing():
    values = blocks(0.1, 0.15, 0.2, 0.5, 0.52)
    before = compare(values, WEIGHTS)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(5)
        after = compare(values[order], WEIGHTS)
        assert after.tiers.tolist() == before.tiers[order].tolist()
        assert np.array_equal(after.corrected, before.corrected[np.ix_(order, order)])


def test_a_duplicate_ties_with_itself_and_leaves_the_family():
    values = blocks(0.1, 0.15, 0.2, 0.5)
    before = compare(values, WEIGHTS)
    after = compare(np.vstack([values, values[1], values[1]]), WEIGHTS)
    assert after.corrected[:4, :4] == pytest.approx(before.corrected)
    assert after.tiers[4] == after.tiers[5] == after.tiers[1]
    assert after.corrected[1, 4] == 1.0
    assert after.tiers[:4].tolist() == before.tiers.tolist()


def test_equal_means_take_a_leader_that_does_not_depend_on_the_order():
    values = np.array([[0.1, 0.3] * 6, [0.3, 0.1] * 6, [0.9] * 12])
    assert compare(values, WEIGHTS).tiers.tolist() == [1, 1, 2]
    assert compare(values[::-1], WEIGHTS).tiers.tolist() == [2, 1, 1]


def test_a_single_method_leads_alone():
    assert compare(blocks(0.4), WEIGHTS).tiers.tolist() == [1]
