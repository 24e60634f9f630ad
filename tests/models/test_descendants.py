"""Weights put onto the model that they descend from: its activation and normalisation, or a sentence."""

import pytest
import torch

from benchmark.checkpoints import load_model, load_onto
from benchmark.errors import UserError
from benchmark.models import MAX_LOGIT_SCALE
from benchmark.open_clip_files import save_safetensors

CPU = torch.device("cpu")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "victim.pt"


def test_a_file_that_records_nothing_takes_the_activation_of_its_ancestor(clip, logits, path):
    ancestor = clip("unit-vit", force_quick_gelu=True)
    changed = ancestor.with_weights({"text_projection": ancestor.weights()["text_projection"] * 0.5})
    before = {name: value.clone() for name, value in ancestor.weights().items()}
    torch.save({"state_dict": {f"module.{name}": value for name, value in changed.weights().items()}}, path)
    loaded = load_onto(ancestor, path)
    assert torch.equal(logits(loaded.module), logits(changed.module))
    assert loaded.spec == ancestor.spec
    assert all(value.equal(before[name]) for name, value in ancestor.weights().items())


def test_half_precision_becomes_single(clip, path):
    ancestor = clip("unit-resnet")
    torch.save({n: v.half() if v.is_floating_point() else v for n, v in ancestor.weights().items()}, path)
    loaded = load_onto(ancestor, path)
    assert {value.dtype for value in loaded.weights().values() if value.is_floating_point()} == {torch.float32}
    assert not loaded.module.training


@pytest.mark.parametrize(
    ("ancestor", "victim"), [("unit-vit", "unit-vit-quickgelu"), ("unit-vit-quickgelu", "unit-vit")]
)
def test_a_recorded_other_activation_is_refused(clip, tmp_path, ancestor, victim):
    save_safetensors(clip(victim), tmp_path / "victim.safetensors")
    with pytest.raises(UserError, match=f"has another activation than '{ancestor}/none'; name its ancestor"):
        load_onto(clip(ancestor), tmp_path / "victim.safetensors")


def test_a_recorded_other_normalisation_is_refused(clip, tmp_path):
    other = clip("unit-vit", force_preprocess_cfg={"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4)})
    save_safetensors(other, tmp_path / "victim.safetensors")
    with pytest.raises(UserError, match="has another normalisation than 'unit-vit/none'"):
        load_onto(clip("unit-vit"), tmp_path / "victim.safetensors")


def test_another_architecture_is_refused(clip, path):
    torch.save(clip("unit-vit").weights(), path)
    with pytest.raises(UserError, match="does not fit 'unit-resnet': "):
        load_onto(clip("unit-resnet"), path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(clip, spec, path, value):
    weights = clip("unit-vit").weights()
    torch.save({**weights, "text_projection": weights["text_projection"] * value}, path)
    with pytest.raises(UserError, match=r"holds numbers that are not finite \(text_projection\)"):
        load_model(spec("unit-vit-quickgelu", path), CPU)


def test_a_temperature_beyond_the_limit_is_kept_as_it_was_saved(clip, path):
    ancestor = clip("unit-vit")
    torch.save({**ancestor.weights(), "logit_scale": torch.tensor(MAX_LOGIT_SCALE + 1)}, path)
    loaded = load_onto(ancestor, path)
    assert loaded.weights()["logit_scale"].item() == pytest.approx(MAX_LOGIT_SCALE + 1)
    loaded.clamp_logit_scale()
    assert loaded.weights()["logit_scale"].item() == pytest.approx(MAX_LOGIT_SCALE)
