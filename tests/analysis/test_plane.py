"""Corners of a plane are the models that span it; the origin stays as it is."""

import pytest
import torch

from benchmark.analysis.plane import Direction, Plane
from benchmark.architectures import model_spec
from benchmark.arithmetic import applied, difference
from benchmark.models import Clip


def shaken(model, seed):
    """Another model: every weight and every running statistic a little off."""
    twin, generator = model.clone(), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in [*twin.module.named_parameters(), *twin.module.named_buffers()]:
            if name.endswith("running_var"):
                value.mul_(torch.rand(value.shape, generator=generator) + 0.2)
            elif value.is_floating_point() and name != "logit_scale":
                value.add_(torch.randn(value.shape, generator=generator) * 0.05)
    return twin


@pytest.fixture(scope="module")
def models():
    origin = Clip.untrained(model_spec("tiny-resnet"), 0)
    origin.module.eval()
    return origin, shaken(origin, 1), shaken(origin, 2)


def equal(one, other, tolerance=1e-6):
    return all(
        torch.allclose(value, other.weights()[name], rtol=1e-5, atol=tolerance)
        for name, value in one.weights().items()
        if value.is_floating_point()
    )


def test_the_corners_are_the_models_themselves(models):
    origin, first, second = models
    plane = Plane(origin, Direction.between(first, origin), Direction.between(second, origin))
    assert equal(plane.at(1, 0), first)
    assert equal(plane.at(0, 1), second)
    assert equal(plane.at(0, 0), origin)


def test_parts_that_add_up_lead_to_the_whole(models):
    origin, benign, victim = models
    plane = Plane(origin, Direction.between(benign, origin), Direction.between(victim, benign))
    assert equal(plane.at(1, 1), victim)


def test_no_multiple_makes_a_variance_negative(models):
    origin, first, second = models
    plane = Plane(origin, Direction.between(first, origin), Direction.between(second, origin))
    for a, b in ((-3, 3), (3, -3), (5, 5)):
        for name, value in plane.at(a, b).weights().items():
            assert torch.isfinite(value.float()).all()
            assert not name.endswith("running_var") or (value >= 0).all()


def test_directions_of_weights_keep_statistics_and_are_the_negation(models):
    origin, first, second = models
    vector = difference(second, origin)
    plane = Plane(origin, Direction(difference(first, origin)), Direction(vector))
    assert equal(plane.at(0, -1.5), applied(origin, vector, -1.5))


def test_the_origin_is_never_touched(models):
    origin, first, second = models
    before = {name: value.clone() for name, value in origin.weights().items()}
    Plane(origin, Direction.between(first, origin), Direction.between(second, origin)).at(2, -2)
    assert all(torch.equal(value, before[name]) for name, value in origin.weights().items())


def test_a_direction_of_the_vision_tower_leaves_the_text_place(models):
    origin, first, second = models
    vision = {name: value for name, value in difference(second, origin).items() if name.startswith("visual.")}
    plane = Plane(origin, Direction.between(first, origin), Direction(vision))
    assert plane.text_place(1, 2) == plane.text_place(1, -1) != plane.text_place(0, 2)
    both = Plane(origin, Direction.between(first, origin), Direction.between(second, origin))
    assert both.text_place(1, 2) != both.text_place(1, -1)
