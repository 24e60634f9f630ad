"""Task vectors: subtracting what was added gives the start back, buffers and the logit scale stay."""

import pytest
import torch

from benchmark.architectures import model_spec
from benchmark.arithmetic import applied, cosine, difference
from benchmark.errors import ClipdefenseError
from benchmark.models import Clip


@pytest.fixture(scope="module")
def moved(untrained):
    """The untrained model after a random step of its parameters and its BatchNorm statistics."""
    model, generator = untrained.clone(), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.05)
        for name, buffer in model.module.named_buffers():
            if name.endswith("running_mean"):
                buffer.add_(1.0)
    return model


def parameters(model):
    return {name: p.detach() for name, p in model.module.named_parameters() if name != "logit_scale"}


def buffers(model):
    return dict(model.module.named_buffers())


def test_subtracting_the_vector_gives_the_ancestor_back(untrained, moved):
    back = applied(moved, difference(moved, untrained), -1.0)
    for name, value in parameters(back).items():
        assert torch.allclose(value, parameters(untrained)[name], rtol=0, atol=1e-6)


def test_adding_the_vector_to_the_ancestor_gives_the_descendant(untrained, moved):
    forward = applied(untrained, difference(moved, untrained), 1.0)
    for name, value in parameters(forward).items():
        assert torch.allclose(value, parameters(moved)[name], rtol=0, atol=1e-6)


def test_half_the_vector_is_the_middle(untrained, moved):
    middle = applied(untrained, difference(moved, untrained), 0.5)
    for name, value in parameters(middle).items():
        expected = (parameters(untrained)[name] + parameters(moved)[name]) / 2
        assert torch.allclose(value, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("scale", [-3.0, 0.0, 2.0])
def test_buffers_and_the_logit_scale_stay_those_of_the_edited_model(untrained, moved, scale):
    edited = applied(moved, difference(moved, untrained), scale)
    assert all(torch.equal(value, buffers(moved)[name]) for name, value in buffers(edited).items())
    assert torch.equal(edited.module.logit_scale, moved.module.logit_scale)
    assert not any("running" in name or "num_batches" in name for name in difference(moved, untrained))
    assert "logit_scale" not in difference(moved, untrained)


def test_scale_zero_changes_nothing_and_the_model_itself_stays(untrained, moved):
    before = {name: value.clone() for name, value in moved.weights().items()}
    vector = difference(moved, untrained)
    assert all(torch.equal(value, before[name]) for name, value in applied(moved, vector, 0.0).weights().items())
    applied(moved, vector, 2.0)
    assert all(torch.equal(value, before[name]) for name, value in moved.weights().items())


def test_a_vector_does_not_share_memory_with_the_models(untrained, moved):
    vector = difference(moved, untrained)
    kept = {name: value.clone() for name, value in vector.items()}
    edited = applied(moved, vector, 1.0)
    with torch.no_grad():
        for parameter in edited.module.parameters():
            parameter.zero_()
    assert all(torch.equal(value, kept[name]) for name, value in vector.items())


def test_the_vector_of_a_model_with_itself_is_zero(untrained):
    assert not any(value.any() for value in difference(untrained, untrained).values())


def test_a_vector_over_some_parameters_moves_those_alone(untrained, moved):
    vector = {name: value for name, value in difference(moved, untrained).items() if name.startswith("visual.conv1")}
    edited = applied(untrained, vector, 1.0)
    before = parameters(untrained)
    changed = [name for name, value in parameters(edited).items() if not torch.equal(value, before[name])]
    assert changed == ["visual.conv1.weight"]


def test_models_of_different_architectures_are_refused(untrained):
    with pytest.raises(ClipdefenseError, match="different architectures"):
        difference(untrained, Clip.untrained(model_spec("tiny-vit"), 0))


def test_cosines_of_parallel_opposite_orthogonal_and_zero_vectors():
    first = {"a": torch.tensor([1.0, 0.0]), "b": torch.tensor([[2.0]])}
    turned = {"b": torch.tensor([[0.0]]), "a": torch.tensor([0.0, 5.0])}
    assert cosine(first, {name: 3 * value for name, value in first.items()}) == pytest.approx(1.0)
    assert cosine(first, {name: -value for name, value in first.items()}) == pytest.approx(-1.0)
    assert cosine(first, turned) == 0.0
    assert cosine(first, {name: 0 * value for name, value in first.items()}) == 0.0


def test_the_cosine_is_taken_over_all_parameters_together():
    first = {"a": torch.tensor([3.0]), "b": torch.tensor([4.0])}
    second = {"a": torch.tensor([1.0]), "b": torch.tensor([0.0])}
    assert cosine(first, second) == pytest.approx(0.6)


def test_a_long_vector_points_exactly_where_it_points():
    """In single precision the cosine of these with themselves is off in the fifth digit."""
    generator = torch.Generator().manual_seed(0)
    vector = {str(place): torch.randn(100_003, generator=generator) * 1e-3 for place in range(9)}
    assert cosine(vector, vector) == pytest.approx(1.0, abs=1e-12)
    assert cosine(vector, vector) <= 1.0
