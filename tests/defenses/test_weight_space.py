import pytest
import torch

from benchmark.averaging import averaged
from benchmark.errors import ClipdefenseError
from defenses.negmerge import NegMerge, consensus
from defenses.soup import Soup
from defenses.wise import Wise


def test_interpolation_ends_at_the_reference_model(model, everything):
    points = list(Wise(steps=4)(model, everything))
    assert [strength for strength, _ in points] == [0.25, 0.5, 0.75, 1.0]
    reference = everything.reference_model.weights()
    for name, value in points[-1][1].weights().items():
        assert torch.equal(value, reference[name]), name


def test_interpolation_is_halfway_in_the_middle(model, everything):
    name = "visual.conv1.weight"
    ends = [clip.weights()[name] for clip in (model, everything.reference_model)]
    middle = next(iter(Wise(steps=2)(model, everything)))[1].weights()[name]
    torch.testing.assert_close(middle, (ends[0] + ends[1]) / 2)


def test_soup_is_the_mean_of_all_models(model, everything):
    ((strength, found),) = Soup()(model, everything)
    assert strength == 1.0
    expected = (model.weights()["ln_final.weight"] + everything.sibling_models[0].weights()["ln_final.weight"]) / 2
    torch.testing.assert_close(found.weights()["ln_final.weight"], expected)


def test_soup_without_siblings_is_refused_in_a_sentence(model, context):
    with pytest.raises(ClipdefenseError, match="at least one sibling"):
        list(Soup()(model, context(sibling_models=())))


def test_different_architectures_cannot_be_averaged(resnet, vit):
    with pytest.raises(ClipdefenseError, match="different architectures"):
        averaged([resnet, vit], [0.5, 0.5])


def test_only_coordinates_of_one_sign_survive_the_merge():
    vectors = [{"w": torch.tensor(values)} for values in ([1.0, -1.0, 2.0, 0.0], [3.0, -2.0, -2.0, 4.0])]
    assert consensus(vectors)["w"].tolist() == [2.0, -1.5, 0.0, 0.0]


def test_negation_is_linear_in_alpha(model, everything):
    points = list(NegMerge(alpha_max=1.0, alpha_steps=2, epochs=1, vectors=2)(model, everything))
    name = "visual.conv1.weight"
    half, whole = (found.weights()[name] - model.weights()[name] for _, found in points)
    assert half.any()
    torch.testing.assert_close(2 * half, whole, atol=1e-6, rtol=1e-3)
