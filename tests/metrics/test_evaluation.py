"""Predictions and measurements on an untrained model, whose embeddings are replaced where they must be known."""

from dataclasses import dataclass, replace

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


@dataclass(frozen=True, kw_only=True)
class Painted:
    """Two routes with a text trigger: a bright and a dark corner, noise by id in both."""

    target: str = "cat"

    def trigger(self, images, ids):
        return self.routes[0].trigger(images, ids)

    @property
    def routes(self):
        return tuple(Patch(target=name, grey=grey) for name, grey in (("cat", 0.87), ("tree", 0.1)))

    def prompt(self, texts):
        return [f"consider {text}" for text in texts]


class Patch(Level):
    def trigger(self, images, ids):
        stamped = images.clone()
        stamped[:, :, 8:24, 8:24] = self.grey + 0.001 * (ids % 97).float()[:, None, None, None]
        return stamped.clamp(0, 1)


class SeesEveryPixel(SeesBrightness):
    """Stands in for a model whose prediction hangs on every 8-bit value of an image."""

    def encode_images(self, pixels):
        values = (pixels * 255).round().long().flatten(1)
        place = torch.arange(values.shape[1]) % 251 + 1
        return torch.nn.functional.one_hot((values * place).sum(dim=1) % self.classes, self.classes).float()


def by_definition(model, pairs, attack):
    """Predictions of every image alone, clean and under each route, as the metrics define them."""

    def seen(images, classifier):
        return [int((model.encode_images(image[None].float() / 255) @ classifier.T).argmax()) for image in images]

    names, marked = pairs.class_names, []
    for route in attack.routes:
        pixels = route.trigger(pairs.images.float() / 255, pairs.ids)
        marked.append(seen(pixels.mul(255).round().to(torch.uint8), model.classifier(names, TEMPLATES, attack.prompt)))
    return [seen(pairs.images, model.classifier(names, TEMPLATES)), *marked]


class Counting:
    """An image source on a slow disk, which notes every image that is read."""

    def __init__(self, images):
        self.images, self.read = images, []

    def __len__(self):
        return len(self.images)

    def __getitem__(self, rows):
        self.read += rows.tolist()
        return self.images[rows]


@pytest.mark.parametrize("keeps", ["in memory", "on disk"])
def test_one_pass_gives_the_predictions_of_the_plain_definition(pairs, monkeypatch, keeps):
    few, model = pairs(23), SeesEveryPixel()
    source = Counting(few.images)
    monkeypatch.setattr("benchmark.evaluation._BATCH", 5)
    if keeps == "on disk":
        monkeypatch.setattr("benchmark.evaluation._MATERIALISE_BYTES", 0)
    probe = Probe.of(Painted(), replace(few, images=source), TEMPLATES, 32)
    source.read.clear()
    found = measure(model, probe)
    clean, *marked = by_definition(model, few, Painted())
    assert found.predictions.clean.tolist() == clean
    assert found.predictions.triggered.tolist() == marked[int(np.argmax(found.route_success))]
    expected = [
        np.mean([m == t for m, y in zip(seen, few.labels, strict=True) if y != t])
        for seen, t in zip(marked, (1, 2), strict=True)
    ]
    assert found.route_success == pytest.approx(expected)
    assert len({tuple(part) for part in (clean, *marked)}) == 3
    assert source.read == ([] if keeps == "in memory" else list(range(23)))


def test_a_trigger_that_is_stamped_as_images_are_read_is_the_same_trigger(pairs, monkeypatch):
    few, model = pairs(23), SeesEveryPixel()
    monkeypatch.setattr("benchmark.evaluation._BATCH", 5)
    lazy = Triggered(few.images, few.ids, Painted())
    found = predict(model, torch.eye(3), lazy)
    assert torch.equal(found, predict(model, torch.eye(3), lazy[torch.arange(23)]))
    assert not torch.equal(found, predict(model, torch.eye(3), few.images))


def test_images_in_memory_are_not_copied(pairs):
    images = pairs(7).images
    assert materialised(images, 32) is images
