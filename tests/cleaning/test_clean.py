"""``clipdefense clean``: what it writes, what it says, what picks the point, and what the defense is given."""

import io
import json
import tarfile
from pathlib import Path

import open_clip
import pytest
import torch
from PIL import Image

from benchmark.evaluation import accuracy
from benchmark.models import Clip

DEFENSES = """
import torch

def wrecked(model):
    return model.with_weights({name: torch.zeros_like(value) for name, value in model.weights().items()
                               if name.startswith("visual.layer")})

class Cliff:
    needs = frozenset()
    def __call__(self, model, context):
        yield 1.0, model
        yield 2.0, wrecked(model)
        yield 3.0, model

class Wrecker:
    needs = frozenset()
    def __call__(self, model, context):
        yield 1.0, wrecked(model)

class Curious:
    needs = frozenset({"clean_pairs", "labels"})
    def __call__(self, model, context):
        pairs = context.clean_pairs
        with open("seen.txt", "w") as seen:
            print(len(pairs), len(pairs.class_names), *pairs.ids.tolist(), *pairs.labels.tolist(), file=seen)
        yield 1.0, model
"""
REAL = {
    "embed_dim": 32,
    "quick_gelu": True,
    "vision_cfg": {"layers": 1, "width": 32, "head_width": 16, "patch_size": 8, "image_size": 32},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


def rows(finished):
    """Name of a row -> its numbers before and after, as printed."""
    assert finished.code == 0, finished.err
    lines = [line.split("  ") for line in finished.out.splitlines()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    return {cell[0]: (cell[1], cell[2]) for cell in cells if len(cell) == 4 and cell[0] != "before"}


def test_a_cleaned_tiny_model_gives_the_same_logits_in_plain_open_clip(world, clean, picked, plain, logits):
    finished = clean("finetune", "--set", "epochs=1", budget="100")
    assert finished.code == 0, finished.err
    assert "open_clip.add_model_config('tiny-resnet.json')" in finished.out
    module = plain("cleaned.safetensors", "tiny-resnet", world.home / "tiny-resnet.json")
    model = picked[0].blind_model
    assert torch.allclose(logits(module), logits(model.module), atol=1e-4)
    assert all(value.equal(model.weights()[name]) for name, value in module.state_dict().items())


def test_a_cleaned_model_of_an_open_clip_architecture_does_too(world, clean, picked, plain, logits):
    described = world.write("small-quickgelu.json", json.dumps(REAL))
    world.write("small.json", json.dumps({**REAL, "quick_gelu": False}))
    open_clip.add_model_config(world.home / "small.json")
    open_clip.add_model_config(described)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        weights = open_clip.create_model("small-quickgelu").state_dict()
    halves = {f"module.{name}": value.half() if value.is_floating_point() else value for name, value in weights.items()}
    torch.save({"state_dict": halves, "epoch": 3}, world.home / "epoch_3.pt")
    options = {"model": "small-quickgelu", "checkpoint": "epoch_3.pt", "pairs": "digits", "budget": "100"}
    finished = clean("cleanclip", "--set", "epochs=1", **options)
    assert "open_clip.create_model('small-quickgelu', pretrained='cleaned.safetensors') reads it\n" in finished.out
    module, model = plain("cleaned.safetensors", "small-quickgelu"), picked[0].blind_model
    assert torch.allclose(logits(module), logits(model.module), atol=1e-4)
    assert {value.dtype for value in module.state_dict().values() if value.is_floating_point()} == {torch.float32}
    assert not module.visual.conv1.weight.equal(weights["visual.conv1.weight"]), "nothing was cleaned"


def test_the_numbers_are_those_of_the_two_files(clean, load, shapes):
    found = rows(clean("finetune", "--set", "epochs=2", "--set", "learning_rate=2e-3", budget="100"))
    test, templates = (
        shapes("test", 80),
        ("a photo of a {}", "a picture of a {}", "an image of a {}", "a drawing of a {}"),
    )
    rates = [accuracy(load(file), test, templates) for file in ("suspect.safetensors", "cleaned.safetensors")]
    assert found == {"clean accuracy": tuple(f"{rate:.3f}" for rate in rates)}
    assert rates[0] != rates[1]


def test_a_trigger_adds_its_success_and_serves_the_defense(finished_micro, clean):
    options = {"trigger": "badnets", "target": "heart", "test": "60"}
    finished = clean("task_vector", "--set", "epochs=1", "--set", "alpha_steps=2", **options, budget="100")
    result = finished_micro.found()["tiny-resnet / shapes / badnets / none / seed 0"]
    found = rows(finished)
    assert list(found) == ["clean accuracy", "attack success"]
    assert found["clean accuracy"][0] == f"{result.victim.clean_accuracy:.3f}"
    assert found["attack success"][0] == f"{result.victim.attack_success_rate:.3f}"
    assert f"{result.counts.test_other} test images of other classes" in finished.out


def test_parameters_of_the_trigger_reach_it(clean, picked):
    options = {"trigger": "badnets", "target": "heart", "budget": "100"}
    clean("none", "--set", "trigger.side=1.0", **options)
    clean("none", "--force", **options)
    (large, small) = [curve.examined[0].test.predictions.triggered for curve in picked]
    assert not (large == small).all()
    assert len(set(large.tolist())) == 1, "a trigger that covers the image leaves nothing to tell apart"


def test_validation_pairs_alone_pick_and_stop_before_the_cliff(world, clean, load):
    world.write("defenses.py", DEFENSES)
    finished = clean("cliff", "--plugin", "defenses.py:Cliff")
    assert "3 points; within 2 points of loss on 60 validation pairs: strength 1" in finished.out
    before, after = load("suspect.safetensors").weights(), load("cleaned.safetensors").weights()
    assert all(value.equal(after[name]) for name, value in before.items())


def test_without_a_point_in_the_budget_the_original_is_kept(world, clean):
    world.write("defenses.py", DEFENSES)
    before = Path("suspect.safetensors").read_bytes()
    finished = clean("wrecker", "--plugin", "defenses.py:Wrecker")
    assert finished.code == 1
    assert "no point of 'wrecker' is within the budget of 2 points" in finished.err
    assert "the original is kept and nothing is written" in finished.err
    assert len(finished.err.splitlines()) == 1
    assert "clean accuracy" in finished.out
    assert not Path("cleaned.safetensors").exists()
    assert Path("suspect.safetensors").read_bytes() == before


def test_the_same_seed_gives_the_same_weights(clean, load):
    for out, seed in (("one", "3"), ("two", "3"), ("three", "4")):
        assert clean("finetune", "--set", "epochs=1", out=f"{out}.safetensors", seed=seed, budget="100").code == 0
    one, two, three = (load(f"{name}.safetensors").weights() for name in ("one", "two", "three"))
    assert all(value.equal(two[name]) for name, value in one.items())
    assert not one["text_projection"].equal(three["text_projection"])


def test_a_reference_is_the_model_that_is_walked_to(clean, load, world):
    with torch.no_grad():
        other = load("suspect.safetensors")
        other.module.text_projection.mul_(0.5)
        torch.save(other.weights(), world.home / "ancestor.pt")
    finished = clean("wise", "--set", "steps=2", reference="ancestor.pt", budget="100")
    assert finished.code == 0, finished.err
    assert load("cleaned.safetensors").weights()["text_projection"].allclose(other.weights()["text_projection"])


def test_the_defense_sees_its_own_part_of_the_pairs_alone(world, clean, shapes):
    world.write("defenses.py", DEFENSES)
    for number, label in enumerate(shapes("train", 100).labels.tolist()):
        place = world.home / "photos" / f"kind_{label % 2}" / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(place)
    parts = {"pairs": "photos", "count": None, "validation": None, "test": None}
    finished = clean("curious", "--plugin", "defenses.py:Curious", **parts)
    assert finished.code == 0, finished.err
    count, classes, *seen = map(int, Path("seen.txt").read_text().split())
    assert (count, classes, len(set(seen[:count]))) == (60, 2, 60)
    assert set(seen[count:]) == {0, 1}
    assert "60 pairs of photos" in finished.out
    assert "on 20 validation pairs" in finished.out
    assert "20 test images" in finished.out


@pytest.fixture
def shards(world, shapes):
    """150 shapes as pictures with captions in one shard."""
    pairs = shapes("train", 150)
    with tarfile.open(world.home / "pairs.tar", "w") as opened:
        for number, caption in enumerate(pairs.captions):
            buffer = io.BytesIO()
            Image.fromarray(pairs.images[number].permute(1, 2, 0).numpy()).save(buffer, "PNG")
            for kind, content in (("png", buffer.getvalue()), ("txt", caption.encode())):
                info = tarfile.TarInfo(f"{number:04d}.{kind}")
                info.size = len(content)
                opened.addfile(info, io.BytesIO(content))


@pytest.mark.usefixtures("shards")
def test_captioned_pairs_are_judged_by_retrieval(clean):
    parts = {"pairs": "pairs.tar", "count": None, "validation": None, "test": None, "budget": "100"}
    finished = clean("finetune", "--set", "epochs=1", **parts)
    assert list(rows(finished)) == ["own caption first among 100"]
    assert "90 pairs of pairs.tar" in finished.out
    assert (
        clean("supervised", "--force", **parts).err
        == "defense 'supervised' needs 'labels'; give --pairs that have labels\n"
    )
    refused = clean("none", "--force", **parts, trigger="badnets")
    assert refused.err == "the success of a trigger is counted over classes; give --pairs that have labels\n"


def test_a_model_with_prompts_is_refused_before_the_rest_is_trained(clean, world):
    from benchmark.architectures import model_spec

    torch.save(Clip.untrained(model_spec("tiny-vit"), 0).weights(), world.home / "vit.pt")
    few = ("--set", "epochs=40", "--set", "steps=40", "--set", "shots=1", "--set", "prompts=2")
    finished = clean("rvpt", *few, model="tiny-vit", checkpoint="vit.pt")
    assert finished.code == 2
    assert "has adapters (visual_prompts), which plain open_clip cannot represent" in finished.err
    assert not Path("cleaned.safetensors").exists()
