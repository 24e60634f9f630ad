"""A suspect checkpoint in the test's folder, and the command that cleans it."""

import shutil

import open_clip
import pytest
import torch
from open_clip import factory

from benchmark.architectures import model_spec
from benchmark.checkpoints import load_model
from benchmark.data.digits import Digits
from benchmark.data.shapes import Shapes

CPU = torch.device("cpu")


@pytest.fixture
def suspect(world, finished_micro):
    """The backdoored model of the micro matrix as a file that records nothing of itself."""
    result = finished_micro.found()["tiny-resnet / shapes / badnets / none / seed 0"]
    stored = finished_micro.store / "victim" / result.provenance.keys["victim"] / "model.safetensors"
    return shutil.copy(stored, world.home / "suspect.safetensors")


@pytest.fixture
def clean(clipdefense, suspect):
    """Cleans the suspect with few shapes; options are added or take the place of these."""
    usual = {
        "--model": "tiny-resnet",
        "--checkpoint": "suspect.safetensors",
        "--pairs": "shapes",
        "--out": "cleaned.safetensors",
        "--count": "64",
        "--validation": "60",
        "--test": "80",
    }

    def run(defense, *more, **changes):
        options = {**usual, **{f"--{name}": value for name, value in changes.items()}, "--defense": defense}
        given = [word for name, value in options.items() if value is not None for word in (name, value)]
        return clipdefense("clean", *given, *more)

    return run


@pytest.fixture
def load():
    """A file of the test's folder -> the model, as the benchmark loads it."""
    return lambda path, architecture="tiny-resnet": load_model(model_spec(f"{architecture}@{path}"), CPU)


@pytest.fixture
def plain():
    """A file and its architecture -> the model as plain open_clip loads it; for the length of a test it knows more."""
    paths, configs = list(factory._MODEL_CONFIG_PATHS), factory._MODEL_CONFIGS

    def make(path, architecture, described=None):
        if described is not None:
            open_clip.add_model_config(described)
        return open_clip.create_model(architecture, pretrained=str(path))

    yield make
    factory._MODEL_CONFIG_PATHS[:] = paths
    factory._MODEL_CONFIGS = configs


@pytest.fixture
def logits():
    """A plain open_clip model and the side of its images -> its logits on fixed images and texts."""

    @torch.no_grad()
    def compute(module, side=32):
        images = torch.rand(4, 3, side, side, generator=torch.Generator().manual_seed(2))
        tokens = open_clip.SimpleTokenizer(context_length=module.context_length)(["a photo of a heart", "a cat"])
        image, text = module.eval().encode_image(images, normalize=True), module.encode_text(tokens, normalize=True)
        return module.logit_scale.exp() * image @ text.T

    return compute


@pytest.fixture
def picked(monkeypatch):
    """Every trade-off curve that the command has climbed, in order."""
    from benchmark import cleaning

    curves, climb = [], cleaning.climb

    def watched(*arguments, **keywords):
        curves.append(climb(*arguments, **keywords))
        return curves[-1]

    monkeypatch.setattr(cleaning, "climb", watched)
    return curves


@pytest.fixture
def shapes():
    return lambda split, count: Shapes().load(split, count, 32)


@pytest.fixture
def digits():
    return lambda split, count, side: Digits().load(split, count, side)
