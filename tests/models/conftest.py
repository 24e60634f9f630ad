"""Small architectures that open_clip knows by name for the length of a test."""

import json
from dataclasses import replace

import open_clip
import pytest
import torch
from open_clip import factory

from benchmark.architectures import model_spec
from benchmark.models import Clip

TEXT = {"context_length": 16, "vocab_size": 500, "width": 32, "heads": 2, "layers": 1}
VISION = {
    "unit-vit": {"layers": 1, "width": 32, "head_width": 16, "patch_size": 8, "image_size": 16},
    "unit-resnet": {"layers": [1, 1, 1, 1], "width": 8, "image_size": 32},
}


@pytest.fixture(autouse=True)
def architectures(tmp_path):
    """Registers 'unit-vit' and 'unit-resnet' with open_clip, each with a twin that has QuickGELU."""
    folder = tmp_path / "architectures"
    folder.mkdir()
    for name, vision in VISION.items():
        config = {"embed_dim": 32, "vision_cfg": vision, "text_cfg": TEXT}
        (folder / f"{name}.json").write_text(json.dumps(config))
        (folder / f"{name}-quickgelu.json").write_text(json.dumps({**config, "quick_gelu": True}))
    paths, configs = list(factory._MODEL_CONFIG_PATHS), factory._MODEL_CONFIGS
    open_clip.add_model_config(folder)
    yield
    factory._MODEL_CONFIG_PATHS[:] = paths
    factory._MODEL_CONFIGS = configs


@pytest.fixture
def spec():
    """architecture, checkpoint or tag -> the specification of a model."""

    def make(architecture, checkpoint=None, tag=None):
        known = model_spec(f"{architecture}/{tag}")
        if checkpoint is None:
            return known
        return replace(known, name=f"{architecture}@{checkpoint}", tag=None, checkpoint=str(checkpoint))

    return make


@pytest.fixture
def clip(spec):
    """architecture -> a model with weights far from their initial ones, so that every layer matters."""

    def make(architecture, **options):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            module = open_clip.create_model(architecture, **options)
        generator = torch.Generator().manual_seed(1)
        for name, value in module.state_dict().items():
            noise = torch.randn(value.shape, generator=generator) * 0.4
            if name.endswith("running_var"):
                value.add_(noise.abs())
            elif value.is_floating_point() and name != "logit_scale":
                value.add_(noise)
        return Clip(spec(architecture, tag="none"), module.eval())

    return make


@pytest.fixture
def logits():
    """A plain open_clip model -> its logits on fixed images and texts."""

    @torch.no_grad()
    def compute(module):
        generator = torch.Generator().manual_seed(2)
        side = module.visual.image_size
        side = side[0] if isinstance(side, tuple) else side
        images = torch.rand(4, 3, side, side, generator=generator)
        tokens = torch.randint(0, 500, (3, 16), generator=generator)
        image, text = module.eval().encode_image(images, normalize=True), module.encode_text(tokens, normalize=True)
        return module.logit_scale.exp() * image @ text.T

    return compute
