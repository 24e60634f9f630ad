"""Embedded models in other widths: named and sized."""

import dataclasses

import pytest

from benchmark.architectures import WIDTHS, model_spec, tiny_names
from benchmark.errors import UserError
from benchmark.models import Clip


def parameters(name):
    model = Clip.untrained(model_spec(name), 0)
    return sum(value.numel() for key, value in model.module.named_parameters() if key.startswith("visual."))


def test_a_wider_model_has_more_parameters():
    sizes = [parameters(name) for name in ("tiny-resnet-w4", "tiny-resnet-w8", "tiny-resnet", "tiny-resnet-w32")]
    assert sizes == sorted(set(sizes))
    assert sizes[3] > 3 * sizes[2]


def test_a_width_changes_the_width_and_nothing_else():
    base, wide = model_spec("tiny-resnet"), model_spec("tiny-resnet-w32")
    assert wide.config["vision_cfg"] == {**base.config["vision_cfg"], "width": 32}
    assert dataclasses.replace(wide, name=base.name, architecture=base.architecture, config=base.config) == base


def test_all_names_are_listed_and_build():
    assert {f"tiny-resnet-w{width}" for width in WIDTHS} < set(tiny_names())
    assert all(model_spec(name).name == name for name in tiny_names())


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
