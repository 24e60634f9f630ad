"""``clipdefense export-model``: trained models of a run as files, only what was computed, and only what is meant."""

from pathlib import Path

import pytest
from safetensors.torch import load_file

POISONED = ("--only", "attack=badnets", "--only", "victim=poisoned")
PROMPTS = """
models = ["tiny-vit"]
attacks = ["badnets"]
benign = ""
budget = 100
defenses = [{ plugin = "rvpt", parameters = { epochs = 1, steps = 1, shots = 1, prompts = 2 } }]
"""


@pytest.fixture
def export(micro, clipdefense):
    """Exports from the micro matrix into ``out.safetensors``."""
    return lambda what, *more: clipdefense(
        "export-model", "micro.toml", "--what", what, "--out", "out.safetensors", *more
    )


def test_a_victim_is_exported_as_it_is_in_the_store(micro, export, plain):
    finished = export("victim", "--only", "attack=badnets")
    assert finished.code == 0, finished.err
    assert finished.out.startswith("victim model of tiny-resnet / shapes / badnets / seed 0 in out.safetensors; ")
    key = micro.found()["tiny-resnet / shapes / badnets / none / seed 0"].provenance.keys["victim"]
    stored = load_file(micro.store / "victim" / key / "model.safetensors")
    module = plain("out.safetensors", "tiny-resnet", micro.home / "tiny-resnet.json")
    assert all(value.equal(stored[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize("kind", ["benign", "clean"])
def test_the_controls_are_exported_when_named(micro, export, kind):
    assert export("victim", "--only", "attack=badnets", "--only", f"victim={kind}").code == 0
    (cell,) = [cell for text, cell in micro.found().items() if f"badnets [{kind}] / none" in text]
    stage = "pretrained" if kind == "clean" else "victim"
    stored = load_file(micro.store / stage / cell.provenance.keys[stage] / "model.safetensors")
    assert all(value.equal(stored[name]) for name, value in load_file("out.safetensors").items())


def test_a_defended_model_is_that_of_the_blind_pick(micro, export):
    picked = [result for result in micro.found().values() if result.picks.blind >= 0 and result.cell.defense != "none"]
    result = next(result for result in picked if result.cell.victim == "poisoned")
    cell = [f"{name}={getattr(result.cell, name)}" for name in ("attack", "defense", "victim")]
    finished = export("defended", *(word for choice in cell for word in ("--only", choice)))
    assert finished.code == 0, finished.err
    stored = load_file(micro.store / "measured" / result.key / "blind.safetensors")
    assert all(value.equal(stored[name]) for name, value in load_file("out.safetensors").items())


def test_what_is_not_one_model_in_the_store_is_refused(micro, export):
    assert "the choice leaves 2 victim models (tiny-resnet / shapes / badnets / seed 0; " in export("victim").err
    several = export("defended", *POISONED)
    assert (several.code, len(several.err.splitlines())) == (2, 1)
    assert "the choice leaves 4 defended models" in several.err
    unpicked = [result for result in micro.found().values() if result.picks.blind < 0]
    cell = next(result.cell for result in unpicked if result.cell.victim == "poisoned")
    kept = export("defended", *POISONED[2:], "--only", f"attack={cell.attack}", "--only", f"defense={cell.defense}")
    assert "no point was within the budget, so the pick is the victim itself" in kept.err
    micro.matrix("micro", "seeds = [7]")
    missing = export("victim", *POISONED)
    assert (missing.code, len(missing.err.splitlines())) == (2, 1)
    assert "is not in the store; run its matrix first" in missing.err
    assert not Path("out.safetensors").exists()


def test_a_pick_with_prompts_is_kept_and_never_taken_for_a_plain_model(micro, clipdefense):
    micro.matrix("micro", PROMPTS)
    only = ("--only", "defense=rvpt")
    assert clipdefense("run", "micro.toml", *only).out.splitlines()[-1] == "1 ok in runs/micro"
    assert clipdefense("run", "micro.toml", *only).out.splitlines() == ["1 ok in runs/micro"]
    result = micro.found()["tiny-vit / shapes / badnets / rvpt / seed 0"]
    assert result.picks.blind == 0
    kept = load_file(micro.store / "measured" / result.key / "blind.safetensors")
    assert kept["visual.transformer.prompts"].shape == (3, 2, 128)
    refused = clipdefense("export-model", "micro.toml", "--what", "defended", *only, "--out", "out.safetensors")
    assert refused.code == 1
    assert "has adapters (visual_prompts), which its weights alone do not restore" in refused.err
    assert len(refused.err.splitlines()) == 1
    assert not Path("out.safetensors").exists()
