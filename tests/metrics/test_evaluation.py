"""Predictions and measurements on an untrained model, whose embeddings are replaced where they must be known."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from benchmark.errors import Diverged, UserError
from benchmark.evaluation import Probe, Triggered, accuracy, materialised, measure, predict

TEMPLATES = ("a photo of a {}",)


class SeesBrightness:
    """Stands in for a model: its embedding of an image says which third of the brightness range it lies in."""

    def __init__(self, classes=3):
        self.module, self.device, self.classes = torch.nn.Identity(), torch.device("cpu"), classes
        self.prompted = []

    def encode_images(self, pixels):
        level = (pixels.mean(dim=(1, 2, 3)) * self.classes).long().clamp(max=self.classes - 1)
        return torch.nn.functional.one_hot(level, self.classes).float()

    def classifier(self, class_names, templates, prompt=None):
        self.prompted.append(None if prompt is None else prompt(list(class_names)))
        return torch.eye(self.classes) if prompt is None else torch.eye(self.classes).roll(1, dims=0)


@dataclass(frozen=True, kw_only=True)
class Level:
    """Paints every image in one grey."""

    target: str
    grey: float

    def trigger(self, images, ids):
        return torch.full_like(images, self.grey)


@pytest.fixture
def grey_pairs(pairs):
    """Images of the three greys, each labelled with its own third."""

    def make(count=12):
        few = pairs(count, ("dark", "middle", "light"))
        levels = torch.tensor([20, 128, 240], dtype=torch.uint8)
        few.images[:] = levels[few.labels].view(-1, 1, 1, 1)
        return few

    return make


def test_a_known_model_gives_known_rates(grey_pairs):
    found = measure(SeesBrightness(), Probe.of(Level(target="light", grey=0.9), grey_pairs(), TEMPLATES, 32))
    assert found.predictions.clean.tolist() == [0, 1, 2] * 4
    assert found.predictions.triggered.tolist() == [2] * 12
    assert found.metrics["clean_accuracy"] == found.metrics["attack_success_rate"] == 1.0
    assert found.route_success == (1.0,)


def test_the_route_of_highest_success_is_the_headline(grey_pairs):
    @dataclass(frozen=True, kw_only=True)
    class Three(Level):
        @property
        def routes(self):
            missing, working = Level(target="dark", grey=0.9), Level(target="light", grey=0.9)
            return (missing, working, missing)

    found = measure(SeesBrightness(), Probe.of(Three(target="dark", grey=0.0), grey_pairs(), TEMPLATES, 32))
    assert found.route_success == (0.0, 1.0, 0.0)
    assert found.metrics["attack_success_rate"] == 1.0
    assert found.predictions.target == 2


def test_a_text_trigger_changes_the_classifier_of_triggered_images_alone(grey_pairs):
    @dataclass(frozen=True, kw_only=True)
    class Word(Level):
        def prompt(self, texts):
            return [f"consider {text}" for text in texts]

    model = SeesBrightness()
    found = measure(model, Probe.of(Word(target="light", grey=0.9), grey_pairs(), TEMPLATES, 32))
    assert model.prompted == [None, ["consider dark", "consider middle", "consider light"]]
    assert found.predictions.clean.tolist() == [0, 1, 2] * 4
    assert found.predictions.triggered.tolist() == [0] * 12


def test_a_probe_names_a_missing_target_class_and_the_known_ones(grey_pairs):
    with pytest.raises(UserError, match=r"dataset 'small' has no class 'banana'.*dark, middle, light"):
        Probe.of(Level(target="banana", grey=0.5), grey_pairs(), TEMPLATES, 32)


def test_unlabelled_pairs_cannot_be_measured(grey_pairs, untrained):
    with pytest.raises(UserError, match="no labels"):
        Probe.of(Level(target="dark", grey=0.5), grey_pairs().without_labels(), TEMPLATES, 32)
    with pytest.raises(UserError, match="no labels"):
        accuracy(untrained, grey_pairs().without_labels(), TEMPLATES)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_embeddings_that_are_not_finite_are_an_error_and_no_prediction(untrained, pairs, value):
    destroyed = untrained.clone()
    with torch.no_grad():
        destroyed.module.visual.conv1.weight.fill_(value)
    few = pairs(4)
    with pytest.raises(Diverged, match="not finite"):
        predict(destroyed, destroyed.classifier(few.class_names, TEMPLATES), few.images)


def test_one_image_that_is_not_finite_is_enough(grey_pairs):
    class Breaks(SeesBrightness):
        def encode_images(self, pixels):
            embeddings = super().encode_images(pixels)
            embeddings[-1] = float("nan")
            return embeddings

    with pytest.raises(Diverged):
        predict(Breaks(), torch.eye(3), grey_pairs().images)


def test_predictions_do_not_depend_on_how_images_are_batched(untrained, pairs, monkeypatch):
    many = pairs(20)
    classifier = untrained.classifier(many.class_names, TEMPLATES)
    whole = predict(untrained, classifier, many.images)
    monkeypatch.setattr("benchmark.evaluation._BATCH", 3)
    assert torch.equal(whole, predict(untrained, classifier, many.images))


def test_measuring_leaves_the_weights_and_the_images(untrained, pairs, corner):
    few = pairs(9)
    before = {name: value.clone() for name, value in untrained.weights().items()}
    measure(untrained, Probe.of(corner(), few, TEMPLATES, 32))
    assert all(torch.equal(value, before[name]) for name, value in untrained.weights().items())
    assert torch.equal(few.images, pairs(9).images)


def test_accuracy_is_the_clean_accuracy_of_a_measurement(untrained, pairs, corner):
    few = pairs(30)
    found = measure(untrained, Probe.of(corner(), few, TEMPLATES, 32))
    assert accuracy(untrained, few, TEMPLATES) == pytest.approx(found.metrics["clean_accuracy"])


def test_an_untrained_model_has_no_net_success(untrained, pairs, corner):
    found = measure(untrained, Probe.of(corner(), pairs(60), TEMPLATES, 32))
    assert abs(found.metrics["attack_success_rate_net"]) < 0.5
    assert found.metrics["clean_accuracy"] < 0.7


def test_small_sources_are_kept_in_memory_and_large_ones_are_not(pairs, corner, monkeypatch):
    few = pairs(7)
    lazy = Triggered(few.images, few.ids, corner())
    kept = materialised(lazy, 32)
    assert torch.equal(kept, lazy[torch.arange(7)])
    monkeypatch.setattr("benchmark.evaluation._MATERIALISE_BYTES", 7 * 3 * 32 * 32 - 1)
    assert materialised(lazy, 32) is lazy
    assert len(lazy) == 7


def test_measuring_from_disk_or_memory_is_the_same(untrained, pairs, corner, monkeypatch):
    few = pairs(12)
    kept = measure(untrained, Probe.of(corner(), few, TEMPLATES, 32))
    monkeypatch.setattr("benchmark.evaluation._MATERIALISE_BYTES", 0)
    lazy = measure(untrained, Probe.of(corner(), few, TEMPLATES, 32))
    assert np.array_equal(kept.predictions.triggered, lazy.predictions.triggered)
    assert np.array_equal(kept.predictions.clean, lazy.predictions.clean)
