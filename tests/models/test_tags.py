"""open_clip's tags: from the local cache without a network, and one sentence where there is neither."""

import time

import open_clip
import pytest
import torch
from huggingface_hub import constants
from open_clip import pretrained

from benchmark import hub, tokenizers
from benchmark.checkpoints import load_model
from benchmark.errors import ClipdefenseError, UserError
from benchmark.open_clip_files import save_safetensors

CPU = torch.device("cpu")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
TAGS = {
    "quick": {"hf_hub": "owner/quick/", "quick_gelu": True, "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4)},
    "plain": {"hf_hub": "owner/plain/", "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)},
    "named": {"hf_hub": "owner/named/weights.bin"},
}


@pytest.fixture(autouse=True)
def tags(monkeypatch, tmp_path):
    """Tags of 'unit-vit', and a hub that cannot be reached."""
    monkeypatch.setitem(pretrained._PRETRAINED, "unit-vit", TAGS)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(hub, "endpoint", lambda: "http://127.0.0.1:9")


@pytest.fixture
def keep(tmp_path):
    """Puts a file of 'owner/REPOSITORY' into the hub's local cache."""

    def put(repository, name):
        root = tmp_path / "hub" / f"models--owner--{repository}"
        (root / "refs").mkdir(parents=True, exist_ok=True)
        (root / "refs" / "main").write_text(COMMIT)
        (root / "snapshots" / COMMIT).mkdir(parents=True, exist_ok=True)
        return root / "snapshots" / COMMIT / name

    return put


def test_a_tag_with_quick_gelu_gets_it(clip, spec, logits, keep):
    model = clip("unit-vit-quickgelu")
    save_safetensors(model, keep("quick", "open_clip_model.safetensors"))
    loaded = load_model(spec("unit-vit", tag="quick"), CPU)
    assert torch.equal(logits(loaded.module), logits(model.module))
    assert loaded._mean.flatten().tolist() == pytest.approx([0.5, 0.4, 0.3])


def test_an_export_of_a_tag_with_quick_gelu_keeps_it(clip, spec, logits, keep, tmp_path):
    save_safetensors(clip("unit-vit-quickgelu"), keep("quick", "open_clip_model.safetensors"))
    loaded = load_model(spec("unit-vit", tag="quick"), CPU)
    save_safetensors(loaded, tmp_path / "finetuned.safetensors")
    again = load_model(spec("unit-vit", tmp_path / "finetuned.safetensors"), CPU)
    assert torch.equal(logits(again.module), logits(loaded.module))
    assert torch.equal(again._mean, loaded._mean)


def test_a_tag_without_quick_gelu_has_none(clip, spec, logits, keep):
    model = clip("unit-vit")
    save_safetensors(model, keep("plain", "open_clip_model.safetensors"))
    loaded = load_model(spec("unit-vit", tag="plain"), CPU)
    assert torch.equal(logits(loaded.module), logits(model.module))


@pytest.mark.parametrize(("tag", "name"), [("plain", "open_clip_pytorch_model.bin"), ("named", "weights.bin")])
def test_weights_in_half_precision_become_single(clip, spec, keep, tag, name):
    half = {key: value.half() for key, value in clip("unit-vit").weights().items()}
    torch.save(half, keep(tag, name))
    loaded = load_model(spec("unit-vit", tag=tag), CPU)
    assert all(torch.equal(value, half[key].float()) for key, value in loaded.weights().items())
    assert {value.dtype for value in loaded.weights().values()} == {torch.float32}


def test_without_a_network_one_sentence_says_what_and_where(spec):
    started = time.monotonic()
    with pytest.raises(UserError, match="model 'unit-vit/plain' is not in the local cache, and 'owner/plain' on http"):
        load_model(spec("unit-vit", tag="plain"), CPU)
    assert time.monotonic() - started < 20


def test_offline_mode_is_obeyed(spec, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match="HF_HUB_OFFLINE forbids asking for 'owner/plain'"):
        load_model(spec("unit-vit", tag="plain"), CPU)


def test_a_damaged_file_in_the_cache_ends_in_a_sentence(spec, keep):
    keep("plain", "open_clip_model.safetensors").write_bytes(b"<html>")
    with pytest.raises(ClipdefenseError, match=r"'unit-vit/plain': its file '.*' is an HTML page"):
        load_model(spec("unit-vit", tag="plain"), CPU)


@pytest.mark.parametrize("architecture", ["ViT-B-16-SigLIP", "roberta-ViT-B-32"])
def test_text_towers_of_the_hub_say_what_they_lack(monkeypatch, architecture):
    monkeypatch.setattr(tokenizers, "find_spec", lambda package: None)
    with pytest.raises(UserError, match=f"model '{architecture}' reads text with the package transformers; install"):
        tokenizers.tokenizer(architecture, 64)
    monkeypatch.setattr(tokenizers, "find_spec", lambda package: package)
    started = time.monotonic()
    with pytest.raises(UserError, match=rf"of model '{architecture}' is not in the local cache, and '.*' on http"):
        tokenizers.tokenizer(architecture, 64)
    assert time.monotonic() - started < 20


def test_every_tag_of_open_clip_names_a_repository():
    places = [open_clip.get_pretrained_cfg(name, tag)["hf_hub"] for name, tag in open_clip.list_pretrained()]
    assert all(place.rpartition("/")[0].count("/") == 1 for place in places)
