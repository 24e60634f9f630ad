"""Weights survive saving and loading bit by bit, with their activation, and what is no checkpoint is refused."""

import argparse
import json
import os
import warnings
from dataclasses import replace

import open_clip
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from benchmark import open_clip_files
from benchmark.architectures import model_spec
from benchmark.checkpoints import load_model
from benchmark.errors import ClipdefenseError, StorageError, UserError
from benchmark.models import Clip
from benchmark.open_clip_files import save_safetensors
from benchmark.prompts import prompted

CPU = torch.device("cpu")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def recorded(path):
    with safe_open(path, framework="pt") as opened:
        return opened.metadata()


def same_weights(first, second):
    first, second = first.weights(), second.weights()
    assert first.keys() == second.keys()
    return all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.parametrize("architecture", ["unit-vit", "unit-resnet", "unit-vit-quickgelu", "unit-resnet-quickgelu"])
def test_an_exported_model_gives_the_same_logits_in_plain_open_clip(clip, logits, path, architecture):
    model = clip(architecture)
    save_safetensors(model, path)
    plain = open_clip.create_model(architecture, pretrained=str(path))
    assert torch.allclose(logits(plain), logits(model.module), atol=1e-4)
    assert all(torch.equal(value, model.weights()[name]) for name, value in plain.state_dict().items())
    assert recorded(path)["architecture"] == architecture


@pytest.mark.parametrize("architecture", ["unit-vit", "unit-resnet"])
def test_a_model_comes_back_from_its_file(clip, spec, path, architecture):
    model = clip(architecture)
    save_safetensors(model, path)
    loaded = load_model(spec(architecture, path), CPU)
    assert same_weights(loaded, model)
    assert not loaded.module.training


def test_batch_norm_buffers_are_kept(clip, spec, path):
    model = clip("unit-resnet")
    model.module.visual.bn1.running_mean.fill_(0.25)
    model.module.visual.bn1.num_batches_tracked.fill_(77)
    save_safetensors(model, path)
    norm = load_model(spec("unit-resnet", path), CPU).module.visual.bn1
    assert norm.running_mean.eq(0.25).all()
    assert norm.num_batches_tracked.item() == 77


def test_the_activation_comes_back_by_path(clip, spec, logits, path):
    model = clip("unit-vit", force_quick_gelu=True)
    save_safetensors(model, path)
    assert recorded(path)["quick_gelu"] == "true"
    assert recorded(path)["architecture"] == "unit-vit-quickgelu"
    for name in ("unit-vit", "unit-vit-quickgelu"):
        assert torch.equal(logits(load_model(spec(name, path), CPU).module), logits(model.module))
    without = open_clip.create_model("unit-vit", pretrained=str(path))
    assert not torch.allclose(logits(without), logits(model.module), atol=1e-2)


def test_a_recorded_plain_activation_wins_over_the_name(clip, spec, logits, path):
    model = clip("unit-vit")
    save_safetensors(model, path)
    loaded = load_model(spec("unit-vit-quickgelu", path), CPU)
    assert torch.equal(logits(loaded.module), logits(model.module))
    save_safetensors(loaded, path)
    assert recorded(path)["architecture"] == "unit-vit"


def test_a_file_that_records_nothing_goes_by_the_name_and_says_so(clip, spec, logits, tmp_path):
    model = clip("unit-vit-quickgelu")
    torch.save(model.weights(), tmp_path / "plain.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        named = load_model(spec("unit-vit-quickgelu", tmp_path / "plain.pt"), CPU)
    assert torch.equal(logits(named.module), logits(model.module))
    with pytest.warns(UserWarning, match="does not say which activation .* write unit-vit-quickgelu@"):
        plain = load_model(spec("unit-vit", tmp_path / "plain.pt"), CPU)
    assert not torch.allclose(logits(plain.module), logits(model.module), atol=1e-2)


def test_keys_that_only_openais_files_have_mean_quick_gelu(clip, spec, logits, tmp_path):
    model = clip("unit-vit-quickgelu")
    half = {name: value.half() if value.is_floating_point() else value for name, value in model.weights().items()}
    extra = {name: torch.tensor(16) for name in ("input_resolution", "context_length", "vocab_size")}
    torch.save({**half, **extra}, tmp_path / "openai.pt")
    loaded = load_model(spec("unit-vit", tmp_path / "openai.pt"), CPU)
    assert {value.dtype for value in loaded.weights().values()} == {torch.float32}
    assert torch.allclose(logits(loaded.module), logits(model.module), atol=0.5)
    assert same_weights(loaded, model.with_weights({name: value.float() for name, value in half.items()}))


@pytest.mark.parametrize("wrapping", ["state_dict", "model", "model_state_dict", None])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_checkpoints_of_training_loops_load(clip, spec, tmp_path, wrapping, prefix):
    model = clip("unit-resnet-quickgelu")
    weights = {f"{prefix}{name}": value for name, value in model.weights().items()}
    saved = {wrapping: weights, "epoch": 5, "name": "run", "optimizer": {"state": {}}} if wrapping else weights
    torch.save(saved, tmp_path / "epoch.pt")
    assert same_weights(load_model(spec("unit-resnet-quickgelu", tmp_path / "epoch.pt"), CPU), model)


def test_safetensors_without_our_records_load(clip, spec, path):
    model = clip("unit-vit-quickgelu")
    save_file({name: value.contiguous() for name, value in model.weights().items()}, path)
    assert same_weights(load_model(spec("unit-vit-quickgelu", path), CPU), model)


def test_bare_openai_shapes_of_the_logit_scale_fit(clip, spec, tmp_path):
    weights = clip("unit-vit-quickgelu").weights()
    torch.save({**weights, "logit_scale": weights["logit_scale"].reshape(1)}, tmp_path / "scale.pt")
    loaded = load_model(spec("unit-vit-quickgelu", tmp_path / "scale.pt"), CPU)
    assert loaded.weights()["logit_scale"].shape == ()


@pytest.mark.parametrize("name", ["tiny-resnet", "tiny-vit"])
def test_embedded_architectures_load_from_their_files(path, name):
    model = Clip.untrained(model_spec(name), 3)
    save_safetensors(model, path)
    loaded = load_model(model_spec(f"{name}@{path}"), CPU)
    assert same_weights(loaded, model)
    pixels = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    model.module.eval()
    assert torch.equal(loaded.encode_images(pixels), model.encode_images(pixels))


def test_normalisation_comes_back(clip, spec, path):
    model = clip("unit-vit", force_preprocess_cfg={"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4)})
    save_safetensors(model, path)
    loaded = load_model(spec("unit-vit", path), CPU)
    assert torch.equal(loaded._mean, model._mean)
    assert torch.equal(loaded._std, model._std)
    assert loaded._mean.flatten().tolist() == pytest.approx([0.5, 0.4, 0.3])


def test_loading_leaves_the_global_generator_alone(clip, spec, path):
    save_safetensors(clip("unit-vit"), path)
    before = torch.get_rng_state()
    load_model(spec("unit-vit", path), CPU)
    assert torch.equal(torch.get_rng_state(), before)


def test_loading_says_nothing(clip, spec, path, capfd):
    save_safetensors(clip("unit-vit"), path)
    capfd.readouterr()
    load_model(spec("unit-vit", path), CPU)
    assert capfd.readouterr() == ("", "")


def test_another_architecture_is_named(clip, spec, path):
    save_safetensors(clip("unit-vit"), path)
    with pytest.raises(UserError, match="is of a 'unit-vit', not of a 'unit-resnet'"):
        load_model(spec("unit-resnet", path), CPU)


def test_missing_and_unexpected_weights_are_named(clip, spec, tmp_path):
    torch.save(clip("unit-vit").weights(), tmp_path / "vit.pt")
    with pytest.raises(UserError) as caught:
        load_model(spec("unit-resnet-quickgelu", tmp_path / "vit.pt"), CPU)
    sentence = str(caught.value)
    assert "does not fit 'unit-resnet-quickgelu'" in sentence
    assert "missing (visual.conv1.weight" in sentence or "missing (visual." in sentence
    assert "unexpected (visual.class_embedding, visual.positional_embedding" in sentence
    assert sentence.count("visual.") <= 9
    assert "\n" not in sentence


def test_other_shapes_are_named(clip, spec, tmp_path):
    weights = clip("unit-vit-quickgelu").weights()
    torch.save({**weights, "text_projection": torch.zeros(3, 3)}, tmp_path / "shape.pt")
    with pytest.raises(UserError, match=r"1 of another shape \(text_projection\)"):
        load_model(spec("unit-vit-quickgelu", tmp_path / "shape.pt"), CPU)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"<html><title>Sign in</title></html>", "is an HTML page instead of data"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
        (b'\x10\x00\x00\x00\x00\x00\x00\x00{"a":', "is damaged or cut short"),
        (b"PK\x03\x04 and no more", "is damaged or cut short"),
        (b"some text", "is damaged or"),
    ],
)
def test_what_is_no_checkpoint_ends_in_a_sentence(spec, path, content, sentence):
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"checkpoint '.*' {sentence}") as caught:
        load_model(spec("unit-vit", path), CPU)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["safetensors", "pt"])
def test_a_file_cut_short_ends_in_a_sentence(clip, spec, tmp_path, kind):
    file = tmp_path / f"model.{kind}"
    if kind == "pt":
        torch.save(clip("unit-vit").weights(), file)
    else:
        save_safetensors(clip("unit-vit"), file)
    os.truncate(file, file.stat().st_size // 2)
    with pytest.raises(UserError, match="is damaged or cut short; fetch it again"):
        load_model(spec("unit-vit", file), CPU)


def test_a_file_that_would_run_code_is_refused(clip, spec, tmp_path):
    torch.save({"state_dict": clip("unit-vit").weights(), "args": argparse.Namespace(lr=1)}, tmp_path / "args.pt")
    with pytest.raises(UserError, match="holds more than weights, which would run code when loaded, and is refused"):
        load_model(spec("unit-vit", tmp_path / "args.pt"), CPU)


def test_a_program_is_refused(spec, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "program.pt"))
    with pytest.raises(UserError, match="is a TorchScript program, which is refused"):
        load_model(spec("unit-vit", tmp_path / "program.pt"), CPU)


@pytest.mark.parametrize("content", [{}, {"state_dict": {"a": 1}}, [1, 2], torch.zeros(2)])
def test_a_file_without_weights_ends_in_a_sentence(spec, tmp_path, content):
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(UserError, match="holds no state_dict of weights"):
        load_model(spec("unit-vit", tmp_path / "other.pt"), CPU)


def test_a_missing_file_ends_in_a_sentence(spec, path):
    with pytest.raises(UserError, match="does not exist"):
        load_model(spec("unit-vit", path), CPU)


def test_unknown_architectures_and_tags_are_named(spec, clip, path):
    save_file(clip("unit-vit").weights(), path)
    with pytest.raises(UserError, match="no architecture 'unit-vitt'; did you mean 'unit-vit'"):
        load_model(spec("unit-vitt", path), CPU)
    with pytest.raises(UserError, match="no weights 'openaii' for 'ViT-B-32'; did you mean 'openai'"):
        load_model(spec("ViT-B-32", tag="openaii"), CPU)
    with pytest.raises(UserError, match="no weights 'openai' for 'ViT-B-3'; did you mean"):
        load_model(spec("ViT-B-3", tag="openai"), CPU)
    with pytest.raises(ClipdefenseError, match="no weights to load; it is trained from scratch"):
        load_model(model_spec("tiny-vit"), CPU)


def test_a_model_with_adapters_is_not_exported(clip, path):
    plain = clip("unit-vit")
    model = prompted(plain, count=2, start=0, deviation=0.02, seed=0)
    assert (plain.adapters, model.adapters) == ((), ("visual_prompts",))
    with pytest.raises(UserError, match=r"has adapters \(visual_prompts\), which plain open_clip cannot represent"):
        save_safetensors(model, path)
    assert not path.exists()


def test_an_interrupted_export_leaves_the_old_file(clip, path, monkeypatch):
    save_safetensors(clip("unit-vit"), path)
    before = path.read_bytes()

    def interrupted(weights, place, metadata):
        place.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(open_clip_files, "save_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_safetensors(clip("unit-resnet"), path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir() if file.is_file()] == [path.name]


def test_a_full_disk_ends_in_a_sentence(clip, path, monkeypatch):
    def full(weights, place, metadata):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(open_clip_files, "save_file", full)
    with pytest.raises(StorageError, match=r"cannot write .* no space left on device"):
        save_safetensors(clip("unit-vit"), path)
    (path.parent / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        save_safetensors(clip("unit-vit"), path.parent / "file" / "model.safetensors")


def test_a_spec_keeps_its_name(clip, spec, path):
    save_safetensors(clip("unit-vit"), path)
    made = spec("unit-vit", path)
    assert load_model(made, CPU).spec == made
    assert json.loads(recorded(path)["normalisation"]).keys() == {"mean", "std"}
    assert replace(made, name="other") != made
