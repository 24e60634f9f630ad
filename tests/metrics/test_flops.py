"""Counted operations against the textbook formula, for models whose weights would fill gigabytes as well."""

import pytest

from benchmark.architectures import model_spec
from benchmark.errors import UserError
from benchmark.flops import forward_flops, peak_bfloat16


def transformer(tokens, width, layers):
    """Four projections, an MLP four times as wide, and two products of attention, per layer; MACs count twice."""
    return layers * (24 * tokens * width**2 + 4 * tokens**2 * width)


def vision(side, patch, width, layers, embedding):
    grid = (side // patch) ** 2
    return 2 * 3 * patch**2 * width * grid + transformer(grid + 1, width, layers) + 2 * width * embedding


@pytest.mark.parametrize(
    ("name", "image", "text"),
    [
        ("tiny-vit", vision(32, 8, 128, 4, 64), transformer(16, 64, 1) + 2 * 64 * 64),
        ("ViT-B-32/openai", vision(224, 32, 768, 12, 512), transformer(77, 512, 12) + 2 * 512 * 512),
        ("ViT-L-14/openai", vision(224, 14, 1024, 24, 768), transformer(77, 768, 12) + 2 * 768 * 768),
    ],
)
def test_the_count_is_the_textbook_formula(name, image, text):
    found = forward_flops(model_spec(name))
    assert (found.image, found.text) == (image, text)
    assert found.training == 3 * (image + text)


def test_convolutions_count():
    """The published figure of RN50 is 6.1 billion multiply-accumulate operations per image."""
    assert forward_flops(model_spec("RN50/openai")).image / 2 == pytest.approx(6.1e9, rel=0.01)


def test_an_unknown_architecture_is_a_users_mistake():
    with pytest.raises(UserError, match="no architecture 'ViT-B-23'"):
        forward_flops(model_spec("ViT-B-23/openai"))


@pytest.mark.parametrize(
    ("device", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989.4e12),
        ("NVIDIA H100 PCIe", 756.5e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA L40S", 362.05e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA L40", None),
        ("AMD EPYC, 2 threads", None),
    ],
)
def test_devices_are_known_by_whole_names(device, peak):
    assert peak_bfloat16(device) == peak
