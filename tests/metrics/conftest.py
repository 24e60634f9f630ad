"""A tiny untrained model, few pairs, and hypothesis without a clock or a database."""

from dataclasses import dataclass

import hypothesis
import numpy as np
import pytest
import torch

from benchmark.architectures import model_spec
from benchmark.models import Clip
from benchmark.seeds import image_ids
from benchmark.types import Pairs

hypothesis.settings.register_profile("repeatable", derandomize=True, database=None, deadline=None, max_examples=100)
hypothesis.settings.load_profile("repeatable")


@dataclass(frozen=True, kw_only=True)
class Corner:
    """A white corner."""

    target: str = "cat"

    def trigger(self, images, ids):
        stamped = images.clone()
        stamped[:, :, -4:, -4:] = 1.0
        return stamped


@pytest.fixture
def corner():
    return Corner


@pytest.fixture(scope="session")
def untrained():
    """Shared by the tests; those that change a model work on a clone."""
    model = Clip.untrained(model_spec("tiny-resnet"), 0)
    model.module.eval()
    return model


@pytest.fixture
def pairs():
    def make(count=24, class_names=("ship", "cat", "tree"), seed=0):
        generator = torch.Generator().manual_seed(seed)
        labels = torch.arange(count) % len(class_names)
        return Pairs(
            images=torch.randint(0, 256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8),
            captions=tuple(f"a photo of a {class_names[label]}" for label in labels),
            labels=labels,
            class_names=tuple(class_names),
            ids=torch.from_numpy(image_ids("small", "train", np.arange(count))),
            dataset="small",
            split="train",
        )

    return make
