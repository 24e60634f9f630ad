"""What detectors of images are put to: clean images of all classes, triggered ones of the others, under every route."""

import copy

import pytest
import torch

from attacks.badnets import BadNets
from attacks.multi_trigger import MultiTrigger
from benchmark.data.shapes import Shapes
from benchmark.evaluation import Probe
from benchmark.pixels import to_float
from benchmark.separation import unpacked
from benchmark.stages import detection
from benchmark.stages.detection import detect_images


class Model:
    """All that a detector of images is given of a model here."""

    image_size = 32
    device = torch.device("cpu")

    def clone(self):
        return copy.copy(self)


class Brightness:
    """Scores images by their mean, and remembers how many came at a time."""

    def __init__(self):
        self.sizes = []

    def score(self, model, images, context):
        self.sizes.append(len(images))
        return images.mean(dim=(1, 2, 3))


def probes(attack):
    return [Probe.of(attack, Shapes().load(split, count, 32), Shapes.templates, 32) for split, count in SPLITS]


SPLITS = (("validation", 40), ("test", 60))


@pytest.mark.parametrize("attack", [BadNets(target="heart"), MultiTrigger(target="heart", warp_target="star")])
def test_triggered_images_are_those_of_other_classes_under_every_route(attack):
    validation, test = probes(attack)
    values = detect_images("brightness", Brightness(), Model(), validation, test, None)
    expected = []
    for target, source in zip(test.target_indices, test.triggered, strict=True):
        others = test.pairs.labels != target
        assert 0 < others.sum() < 60
        expected.append(to_float(source[others.nonzero().flatten()]).mean(dim=(1, 2, 3)))
    found = torch.from_numpy(unpacked(values["scores"]["suspicious"])).float()
    torch.testing.assert_close(found, torch.cat(expected))
    assert len(unpacked(values["scores"]["others"])) == 60
    assert values["samples"] == 60 + len(found)


def test_the_threshold_knows_nothing_of_the_test_images():
    validation, test = probes(BadNets(target="heart"))
    values = detect_images("brightness", Brightness(), Model(), validation, test, None)
    clean = to_float(validation.pairs.images).mean(dim=(1, 2, 3)).double().sort().values
    assert values["threshold"] in clean[-3:].tolist()


def test_images_come_in_the_pieces_that_memory_allows(monkeypatch):
    validation, test = probes(BadNets(target="heart"))
    whole, parts = Brightness(), Brightness()
    before = detect_images("brightness", whole, Model(), validation, test, None)
    monkeypatch.setattr(detection, "_CHUNK_BYTES", 12 * 32**2 * 25)
    after = detect_images("brightness", parts, Model(), validation, test, None)
    assert max(parts.sizes) == 25 and max(whole.sizes) == 60
    assert {**before, "seconds": 0} == {**after, "seconds": 0}


def test_scores_of_many_samples_are_not_kept(monkeypatch):
    monkeypatch.setattr(detection, "KEPT", 100)
    validation, test = probes(BadNets(target="heart"))
    values = detect_images("brightness", Brightness(), Model(), validation, test, None)
    assert values["samples"] > 100 and values["scores"] == {}
    assert 0 < values["auroc"] < 1
