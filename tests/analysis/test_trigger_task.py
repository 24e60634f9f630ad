"""Learning the trigger alone moves the vision tower and ends as soon as it works."""

from contextlib import contextmanager

import pytest
import torch

from benchmark.analysis.trigger_task import ENOUGH, learnt
from benchmark.architectures import model_spec
from benchmark.evaluation import predict
from benchmark.models import Clip
from benchmark.training import overridden
from benchmark.types import Pairs

TEMPLATES = ("a photo of a {}",)
NAMES = ("ship", "cat", "tree", "house")


class Steps:
    """Counts the steps that were taken, and knows how many were planned."""

    taken = planned = 0

    @contextmanager
    def task(self, description, total):
        self.planned = total
        yield self.advance

    def advance(self, count):
        self.taken += count


@pytest.fixture(scope="module")
def clean():
    model = Clip.untrained(model_spec("tiny-resnet"), 0)
    model.module.eval()
    return model


@pytest.fixture(scope="module")
def triggered():
    generator = torch.Generator().manual_seed(0)
    return Pairs(
        images=torch.randint(0, 256, (32, 3, 32, 32), generator=generator, dtype=torch.uint8),
        captions=("a photo of a cat",) * 32,
        labels=torch.ones(32, dtype=torch.long),
        class_names=NAMES,
        ids=torch.arange(32),
        dataset="noise",
        split="train",
    )


@pytest.fixture(scope="module")
def outcome(clean, triggered):
    steps = Steps()
    recipe = overridden(clean.spec.defend, epochs=40, batch_size=16)
    model = learnt(clean, triggered, TEMPLATES, recipe, seed=3, precision="float32", progress=steps)
    return model, steps


def test_it_works_and_ends_early(clean, triggered, outcome):
    model, steps = outcome
    classifier = clean.classifier(NAMES, TEMPLATES)
    before = (predict(clean, classifier, triggered.images) == 1).float().mean()
    after = (predict(model, classifier, triggered.images) == 1).float().mean()
    assert before < ENOUGH <= after
    assert 0 < steps.taken < steps.planned


def test_the_text_tower_and_the_clean_model_stay(clean, outcome):
    model, _ = outcome
    changed = {
        name
        for (name, value), other in zip(model.module.named_parameters(), clean.module.parameters(), strict=True)
        if not torch.equal(value, other)
    }
    assert changed and all(name.startswith("visual.") for name in changed)
