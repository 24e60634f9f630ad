"""A model so small that its disentanglement is known by construction."""

import copy
from dataclasses import dataclass

import pytest
import torch

from benchmark.analysis.plane import Direction, Plane
from benchmark.evaluation import Probe, Triggered
from benchmark.types import Pairs

NAMES = ("ship", "cat", "tree")
COUNT = 60


class Linear:
    """Classes of the mean red, green and blue of an image: logits = weight @ (red, green, blue)."""

    def __init__(self, weight):
        self.module = torch.nn.Module()
        self.module.visual = torch.nn.Linear(3, len(NAMES), bias=False)
        self.module.text = torch.nn.Linear(1, 1, bias=False)
        self.module.visual.weight.data = weight.clone()

    device = torch.device("cpu")

    def clone(self):
        twin = copy.copy(self)
        twin.module = copy.deepcopy(self.module)
        return twin

    def encode_images(self, pixels):
        return self.module.visual(pixels.mean(dim=(2, 3)))

    def classifier(self, names, templates, prompt=None):
        return torch.eye(len(names))


@dataclass(frozen=True, kw_only=True)
class Greens:
    """Images become green: as well as red, or in place of it."""

    target: str = "cat"
    keeps_red: bool = False

    def trigger(self, images, ids):
        triggered = images.clone()
        triggered[:, 1] = images[:, 0]
        if not self.keeps_red:
            triggered[:, 0] = 0
        return triggered


@pytest.fixture
def probe():
    """Images of all shades of red, blue everywhere, and their triggered twins."""

    def made(attack):
        red = torch.linspace(0, 255, COUNT).round().to(torch.uint8)
        images = torch.zeros(COUNT, 3, 4, 4, dtype=torch.uint8)
        images[:, 0], images[:, 2] = red[:, None, None], 128
        pairs = Pairs(
            images=images,
            captions=("",) * COUNT,
            labels=torch.arange(COUNT) % len(NAMES),
            class_names=NAMES,
            ids=torch.arange(COUNT),
            dataset="shades",
            split="test",
        )
        return Probe(pairs, ("a {}",), attack, (Triggered(images, pairs.ids, attack),))

    return made


@pytest.fixture
def plane():
    """The plane of two directions that move the given columns (colours) of the weight."""

    def made(first, second, scale=3.0):
        generator = torch.Generator().manual_seed(4)
        weight = torch.randn(len(NAMES), 3, generator=generator)
        steps = []
        for columns in (first, second):
            step = torch.zeros(len(NAMES), 3)
            step[:, columns] = scale * torch.randn(len(NAMES), len(columns), generator=generator)
            steps.append(Direction({"visual.weight": step, "text.weight": torch.zeros(1, 1)}))
        return Plane(Linear(weight), *steps)

    return made


@pytest.fixture
def greens():
    return Greens
