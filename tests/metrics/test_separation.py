"""How well scores separate: perfect, constant and reversed ones, and numbers that can be counted by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmark.separation import alarm_threshold, packed, separation, unpacked

SCORES = arrays(np.float64, st.integers(1, 12), elements=st.integers(-3, 3).map(float))


def test_perfect_scores():
    assert separation(np.array([2.0, 3.0]), np.array([0.0, 1.0, -1.0])) == {
        "auroc": 1.0,
        "auprc": 1.0,
        "fpr_at_95_tpr": 0.0,
    }


def test_constant_scores_are_guesses():
    found = separation(np.zeros(5), np.zeros(20))
    assert found == {"auroc": 0.5, "auprc": pytest.approx(0.2), "fpr_at_95_tpr": 1.0}


def test_reversed_scores_are_below_chance():
    assert separation(np.array([0.0, 1.0]), np.array([2.0, 3.0]))["auroc"] == 0.0


@settings(max_examples=60, deadline=None)
@given(SCORES, SCORES)
def test_auroc_is_the_share_of_pairs_in_the_right_order(suspicious, others):
    pairs = np.sign(suspicious[:, None] - others[None])
    assert separation(suspicious, others)["auroc"] == pytest.approx((1 + pairs.mean()) / 2)


def test_the_false_positive_rate_is_that_of_the_lowest_threshold_that_finds_95_percent():
    suspicious = np.arange(20.0)
    others = np.array([-1.0, 0.5, 1.5, 30.0])
    assert separation(suspicious, others)["fpr_at_95_tpr"] == 0.5
    assert separation(suspicious[:19], others)["fpr_at_95_tpr"] == 0.75


def test_nothing_to_find_has_no_metrics():
    assert np.isnan(list(separation(np.zeros(0), np.ones(3)).values())).all()
    assert np.isnan(list(separation(np.ones(3), np.zeros(0)).values())).all()


@settings(max_examples=60, deadline=None)
@given(SCORES)
def test_at_most_5_percent_exceed_the_threshold(scores):
    assert (scores > alarm_threshold(scores)).mean() <= 0.05


def test_the_threshold_is_no_higher_than_it_must_be():
    scores = np.arange(100.0)
    assert (scores > alarm_threshold(scores)).sum() in (4, 5)


def test_packed_scores_come_back():
    scores = np.array([0.5, -1e6, 3.0, 0.1])
    np.testing.assert_allclose(unpacked(packed(scores)), scores, rtol=1e-6)
    assert len(unpacked(packed(np.zeros(0)))) == 0
