"""Embedded models in other widths: named, sized, and no reason to train the known ones anew."""

import dataclasses

import pytest

from benchmark import architectures
from benchmark.errors import UserError
from benchmark.fingerprint import _closure
from benchmark.models import Clip
from benchmark.widths import WIDTHS, embedded_names, model_spec


def parameters(name):
    model = Clip.untrained(model_spec(name), 0)
    return sum(value.numel() for key, value in model.module.named_parameters() if key.startswith("visual."))


def test_a_wider_model_has_more_parameters():
    sizes = [parameters(name) for name in ("tiny-resnet-w4", "tiny-resnet-w8", "tiny-resnet", "tiny-resnet-w32")]
    assert sizes == sorted(set(sizes))
    assert sizes[3] > 3 * sizes[2]


@pytest.mark.parametrize("name", ["tiny-resnet", "tiny-vit", "ViT-B-32/openai"])
def test_known_models_are_what_they_were(name):
    assert model_spec(name) == architectures.model_spec(name)


def test_a_width_changes_the_width_and_nothing_else():
    base, wide = model_spec("tiny-resnet"), model_spec("tiny-resnet-w32")
    assert wide.config["vision_cfg"] == {**base.config["vision_cfg"], "width": 32}
    assert dataclasses.replace(wide, name=base.name, architecture=base.architecture, config=base.config) == base


def test_the_code_of_widths_is_in_no_models_key():
    assert "benchmark.architectures" in _closure(frozenset({"benchmark.stages.pretrained"}))
    assert "benchmark.widths" not in _closure(frozenset({"benchmark.stages.pretrained", "benchmark.stages.victim"}))


def test_all_names_are_listed_and_build():
    assert {f"tiny-resnet-w{width}" for width in WIDTHS} < set(embedded_names())
    assert all(model_spec(name).name == name for name in embedded_names())


def test_a_checkpoint_of_another_width(tmp_path):
    path = tmp_path / "model.pt"
    path.touch()
    spec = model_spec(f"tiny-resnet-w8@{path}")
    assert (spec.checkpoint, spec.config["vision_cfg"]["width"], spec.pretrain) == (str(path), 8, None)
    with pytest.raises(UserError, match="no checkpoint file"):
        model_spec("tiny-resnet-w8@nowhere.pt")


def test_an_unknown_width_is_refused_with_a_suggestion():
    with pytest.raises(UserError, match="no model named 'tiny-resnet-w9'; did you mean 'tiny-resnet-w"):
        model_spec("tiny-resnet-w9")
