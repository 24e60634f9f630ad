"""The error is zero where it must be, and positive where two tasks share weights."""

import numpy as np
import pytest

from benchmark.analysis.disentanglement import axis, disentanglement, errors

RED, GREEN, ALL = [0], [1], [0, 1, 2]


def found(plane, probe, points=5):
    values = disentanglement(plane, probe, axis(points, 2.0))
    return values, {name: np.array(values[name]) for name in values if name.startswith(("xi", "clean", "attack"))}


def test_tasks_of_disjoint_weights_and_colours_do_not_feel_each_other(plane, probe, greens):
    _, grids = found(plane(RED, GREEN), probe(greens()))
    assert (grids["xi"] == 0).all()


def test_both_tasks_of_that_model_do_something(plane, probe, greens):
    """Otherwise an error of zero would mean nothing."""
    _, grids = found(plane(RED, GREEN), probe(greens()))
    assert len(np.unique(grids["clean_accuracy"][:, 2])) > 1
    assert len(np.unique(grids["attack_success_rate"][2])) > 1


def test_a_trigger_that_leaves_the_red_is_felt_by_the_clean_task(plane, probe, greens):
    _, grids = found(plane(RED, GREEN), probe(greens(keeps_red=True)))
    assert (grids["xi_clean"] == 0).all()
    assert grids["xi_trigger"].max() > 0


def test_tasks_of_the_same_weights_feel_each_other(plane, probe, greens):
    _, grids = found(plane(ALL, ALL), probe(greens()))
    assert grids["xi_clean"].max() > 0 and grids["xi_trigger"].max() > 0


@pytest.mark.parametrize("points", [3, 7])
def test_a_term_is_zero_where_the_other_task_is_absent(plane, probe, greens, points):
    values, grids = found(plane(ALL, ALL), probe(greens(keeps_red=True)), points)
    middle = points // 2
    assert values["alphas"][middle] == 0.0
    assert (grids["xi_clean"][:, middle] == 0).all()
    assert (grids["xi_trigger"][middle] == 0).all()
    assert grids["xi"][middle, middle] == 0
    assert np.allclose(grids["xi"], grids["xi_clean"] + grids["xi_trigger"])


def test_the_first_index_is_the_clean_task(plane, probe, greens):
    """Green images have no red, so that the vector of the reds moves clean accuracy along the first axis alone."""
    _, grids = found(plane(RED, GREEN), probe(greens()))
    assert (grids["clean_accuracy"] == grids["clean_accuracy"][:, :1]).all()
    assert (grids["attack_success_rate"] == grids["attack_success_rate"][:1]).all()


def test_rates_are_those_of_the_model_itself(plane, probe, greens):
    place, image = plane(RED, GREEN), probe(greens())
    _, grids = found(place, image)
    model = place.at(1.0, 2.0)
    shades = image.pairs.images.float().mean(dim=(2, 3)) / 255
    said = (shades @ model.module.visual.weight.T).argmax(dim=1)
    assert grids["clean_accuracy"][3, 4] == pytest.approx((said == image.pairs.labels).float().mean().item())


def test_errors_of_predictions_written_by_hand():
    clean = np.zeros((3, 3, 2), dtype=int)
    clean[2, 2] = [1, 0]
    triggered = np.zeros((3, 3, 2), dtype=int)
    triggered[0, 0] = [1, 1]
    first, second = errors(clean, triggered)
    assert first.tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, 0.5]]
    assert second.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]


def test_an_axis_is_symmetrical_around_an_exact_zero():
    assert axis(3, 0.3) == [-0.3, 0.0, 0.3]
    assert axis(9, 2.0) == [-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0]
