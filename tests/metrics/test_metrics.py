"""Properties of the metrics over arbitrary predictions, and the values of models that are known by construction."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from benchmark.metrics import Predictions, Rates, defense_effectiveness, rates, retained_accuracy, trigger_shift

shares = st.floats(0.0, 1.0)


@st.composite
def predictions(draw, classes=4):
    """Any labels, clean and triggered predictions of up to 30 images, with the target and another class among them."""
    count = draw(st.integers(2, 30))
    column = st.lists(st.integers(0, classes - 1), min_size=count, max_size=count)
    labels, clean, triggered = (np.array(draw(column)) for _ in range(3))
    target = draw(st.integers(0, classes - 1))
    labels[:2] = target, (target + 1) % classes
    return Predictions(labels=labels, clean=clean, triggered=triggered, target=target, classes=classes)


@st.composite
def measured(draw):
    """Rates with arbitrary success and clean accuracy."""
    return rates_of(success=draw(shares), clean=draw(shares))


def rates_of(*, success, clean):
    return Rates(
        clean_accuracy=clean,
        attack_success_rate=success,
        attack_success_rate_all=success,
        attack_success_rate_net=success,
        robust_accuracy=0.0,
        target_recall=1.0,
        trigger_shift=0.0,
    )


def of(labels, clean, triggered, target=0, classes=4):
    return Predictions(
        labels=np.array(labels),
        clean=np.array(clean),
        triggered=np.array(triggered),
        target=target,
        classes=classes,
    )


@given(predictions())
def test_rates_stay_in_their_ranges(found):
    metrics = rates(found)
    for name, value in metrics.items():
        signed = name in ("attack_success_rate_net", "trigger_shift")
        assert (-1 if signed else 0) <= value <= 1
    assert metrics["attack_success_rate"] + metrics["robust_accuracy"] <= 1 + 1e-12


@given(predictions())
def test_every_rate_is_the_count_that_its_definition_names(found):
    rows = list(zip(found.labels.tolist(), found.clean.tolist(), found.triggered.tolist(), strict=True))
    other = [row for row in rows if row[0] != found.target]
    metrics = rates(found)
    assert math.isclose(metrics["clean_accuracy"], sum(y == p for y, p, _ in rows) / len(rows))
    assert math.isclose(metrics["attack_success_rate"], sum(g == found.target for *_, g in other) / len(other))
    assert math.isclose(metrics["attack_success_rate_all"], sum(g == found.target for *_, g in rows) / len(rows))
    assert math.isclose(metrics["robust_accuracy"], sum(g == y for y, _, g in other) / len(other))
    natural = sum(p == found.target for _, p, _ in other) / len(other)
    assert math.isclose(metrics["attack_success_rate_net"], metrics["attack_success_rate"] - natural, abs_tol=1e-12)
    own = [p == y for y, p, _ in rows if y == found.target]
    assert math.isclose(metrics["target_recall"], sum(own) / len(own))


@given(predictions())
def test_a_model_that_sees_no_trigger_has_no_net_success_and_no_shift(found):
    blind = of(found.labels, found.clean, found.clean, found.target, found.classes)
    metrics = rates(blind)
    assert metrics["attack_success_rate_net"] == 0
    assert metrics["trigger_shift"] == 0


@given(predictions())
def test_the_oracle_is_right_on_everything(found):
    metrics = rates(of(found.labels, found.labels, found.labels, found.target, found.classes))
    assert metrics["clean_accuracy"] == metrics["robust_accuracy"] == metrics["target_recall"] == 1
    assert metrics["attack_success_rate"] == metrics["attack_success_rate_net"] == 0


@given(predictions())
def test_a_model_that_always_says_the_target_has_success_one_and_net_success_zero(found):
    constant = np.full_like(found.labels, found.target)
    metrics = rates(of(found.labels, constant, constant, found.target, found.classes))
    assert metrics["attack_success_rate"] == 1
    assert metrics["attack_success_rate_net"] == 0
    assert metrics["robust_accuracy"] == 0
    assert metrics["trigger_shift"] == 0


@given(predictions())
def test_the_perfect_backdoor(found):
    constant = np.full_like(found.labels, found.target)
    metrics = rates(of(found.labels, found.labels, constant, found.target, found.classes))
    assert metrics["clean_accuracy"] == 1
    assert metrics["attack_success_rate"] == metrics["attack_success_rate_net"] == 1
    assert metrics["robust_accuracy"] == 0
    assert metrics["trigger_shift"] <= 0


@given(predictions(), st.integers(0, 3))
def test_target_images_never_count_for_success(found, answer):
    changed = np.where(found.labels == found.target, answer, found.triggered)
    first, second = rates(found), rates(of(found.labels, found.clean, changed, found.target, found.classes))
    for name in ("attack_success_rate", "attack_success_rate_net", "robust_accuracy", "trigger_shift"):
        assert first[name] == second[name]


@given(predictions(), st.randoms(use_true_random=False))
def test_the_order_of_images_does_not_matter(found, random):
    order = list(range(len(found.labels)))
    random.shuffle(order)
    shuffled = of(found.labels[order], found.clean[order], found.triggered[order], found.target, found.classes)
    for name, value in rates(shuffled).items():
        assert math.isclose(value, rates(found)[name], abs_tol=1e-12)


@given(predictions())
def test_outcomes_are_the_flags_that_the_rates_average(found):
    metrics, other = rates(found), found.other
    assert not (found.success & ~other).any()
    assert not (found.robust_right & ~other).any()
    assert math.isclose(found.success.sum() / other.sum(), metrics["attack_success_rate"])
    assert math.isclose(found.robust_right.sum() / other.sum(), metrics["robust_accuracy"])
    assert math.isclose(found.clean_right.mean(), metrics["clean_accuracy"])


def test_a_trigger_that_was_moved_to_another_class_shows_as_a_shift():
    labels = [1, 2, 3, 1, 2, 3, 0, 0]
    moved = rates(of(labels, labels, [2] * 8))
    assert moved["attack_success_rate"] == 0
    assert moved["attack_success_rate_net"] == 0
    assert moved["trigger_shift"] == 4 / 6


def test_a_shift_is_a_rise_over_what_the_model_says_without_a_trigger():
    labels, biased = [1, 1, 3, 3], [2, 2, 2, 2]
    assert trigger_shift(of(labels, biased, biased)) == 0
    assert trigger_shift(of(labels, [2, 1, 3, 3], biased)) == 3 / 4


def test_rates_over_no_image_are_not_numbers():
    only_target = rates(of([0, 0], [0, 1], [0, 0]))
    assert math.isnan(only_target["attack_success_rate"]) and math.isnan(only_target["trigger_shift"])
    assert only_target["target_recall"] == 0.5
    assert math.isnan(rates(of([1, 2], [1, 2], [0, 0]))["target_recall"])


@given(measured(), measured())
def test_effectiveness_is_a_share(victim, defended):
    assert 0 <= defense_effectiveness(victim, defended) <= 1


@given(measured())
def test_a_defense_without_effect_has_effectiveness_one_half(victim):
    assert defense_effectiveness(victim, victim) == 0.5


@given(measured(), shares, shares, shares)
def test_losing_clean_accuracy_never_raises_effectiveness(victim, success, first, second):
    low, high = sorted((first, second))
    worse, better = rates_of(success=success, clean=low), rates_of(success=success, clean=high)
    assert defense_effectiveness(victim, worse) <= defense_effectiveness(victim, better)


@given(measured(), shares, shares, shares)
def test_removing_more_success_never_lowers_effectiveness(victim, clean, first, second):
    low, high = sorted((first, second))
    cleaner, dirtier = rates_of(success=low, clean=clean), rates_of(success=high, clean=clean)
    assert defense_effectiveness(victim, cleaner) >= defense_effectiveness(victim, dirtier)


def test_retained_accuracy_plain_and_corrected_for_chance():
    victim, defended = rates_of(success=1.0, clean=0.8), rates_of(success=0.0, clean=0.4)
    plain, corrected = retained_accuracy(victim, defended, classes=5)
    assert math.isclose(plain, 0.5)
    assert math.isclose(corrected, 0.2 / 0.6)
    assert retained_accuracy(victim, victim, classes=5) == (1.0, 1.0)


def test_retained_accuracy_of_a_victim_at_chance_is_not_a_number():
    chance, nothing = rates_of(success=0.0, clean=0.25), rates_of(success=0.0, clean=0.0)
    plain, corrected = retained_accuracy(chance, chance, classes=4)
    assert plain == 1.0 and math.isnan(corrected)
    assert all(math.isnan(value) for value in retained_accuracy(nothing, chance, classes=4))
