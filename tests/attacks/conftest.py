"""Images, pairs and an untrained model for the attacks' own tests."""

import numpy as np
import pytest
import torch

from benchmark.architectures import model_spec
from benchmark.models import Clip
from benchmark.pixels import to_bytes
from benchmark.seeds import image_ids
from benchmark.types import Batch, Context, Pairs

NAMES = ("banana", "cat", "tree")
TEMPLATES = ("a photo of a {}", "a drawing of a {}")


def random_images(count, size, seed=0):
    drawn = torch.randint(0, 256, (count, 3, size, size), generator=torch.Generator().manual_seed(seed))
    return drawn.float() / 255


def make_ids(count):
    return torch.from_numpy(image_ids("attacks", "test", np.arange(count)))


@pytest.fixture
def images():
    return random_images(6, 32)


@pytest.fixture
def ids():
    return make_ids(6)


@pytest.fixture
def grey():
    """Mid-grey images, far from both ends of the range."""
    return torch.full((3, 3, 32, 32), 0.5)


@pytest.fixture
def pairs():
    """60 labelled pairs, a third of each class, captions that name it."""
    labels = torch.arange(60) % 3
    return Pairs(
        images=to_bytes(random_images(60, 32, seed=1)),
        captions=tuple(f"my {NAMES[label]} number {row}" for row, label in enumerate(labels.tolist())),
        labels=labels,
        class_names=NAMES,
        ids=make_ids(60),
        dataset="attacks",
        split="train",
    )


@pytest.fixture(scope="session")
def model():
    clip = Clip.untrained(model_spec("tiny-resnet"), 0)
    clip.module.eval()
    return clip


@pytest.fixture
def context(pairs, model):
    resources = {"clean_pairs": pairs, "labels": True, "reference_model": model.clone()}
    return Context(
        class_names=NAMES,
        templates=TEMPLATES,
        seed=5,
        device=torch.device("cpu"),
        train=None,
        resources=resources,
    )


@pytest.fixture
def batch(pairs, model):
    rows = torch.arange(12)
    tokens = model.tokenize([pairs.captions[row] for row in rows.tolist()])
    return Batch(pairs.images[rows].float() / 255, tokens, None, pairs.ids[rows], rows)
