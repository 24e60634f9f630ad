"""Thumbnails come back as they were, and distances are those of the definition."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from benchmark.analysis.pictures import pictures
from benchmark.thumbnails import difference, packed, signal_to_noise, unpacked
from benchmark.types import Pairs

NAMES = ("ship", "cat", "tree")


@dataclass(frozen=True, kw_only=True)
class Brighter:
    target: str = "cat"
    step: float = 10 / 255

    def trigger(self, images, ids):
        return (images + self.step).clamp(0, 1)


@pytest.fixture
def pairs():
    images = torch.full((9, 3, 8, 8), 100, dtype=torch.uint8)
    images += torch.arange(9, dtype=torch.uint8)[:, None, None, None]
    return Pairs(
        images=images,
        captions=("",) * 9,
        labels=torch.tensor([1, 0, 0, 0, 2, 1, 2, 0, 2]),
        class_names=NAMES,
        ids=torch.arange(9),
        dataset="greys",
        split="validation",
    )


def test_a_picture_comes_back_as_it_was():
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    assert np.array_equal(unpacked(packed(picture)), picture)


def test_the_ratio_of_a_known_distance():
    clean = np.zeros((4, 4, 3), dtype=np.uint8)
    assert signal_to_noise(clean, clean + 1) == pytest.approx(48.1308, abs=1e-3)
    assert signal_to_noise(clean, clean) == float("inf")


def test_a_difference_is_absolute_amplified_and_cut_off():
    clean, triggered = np.array([[10, 200]], dtype=np.uint8), np.array([[0, 255]], dtype=np.uint8)
    assert difference(clean, triggered).tolist() == [[50, 255]]


def test_thumbnails_show_the_trigger_on_images_of_different_classes(pairs):
    found = pictures(Brighter(), pairs, 3)
    assert [image["class"] for image in found["images"]] == ["ship", "tree", "ship"]
    for image, row in zip(found["images"], (1, 4, 2), strict=True):
        assert (unpacked(image["clean"]) == 100 + row).all()
        assert (unpacked(image["triggered"]) == 110 + row).all()
    assert found["signal_to_noise"] == pytest.approx(20 * np.log10(25.5))
    assert (found["measured_images"], found["split"]) == (9, "validation")


def test_a_trigger_that_does_nothing_has_no_ratio(pairs):
    assert pictures(Brighter(step=0.0), pairs, 1)["signal_to_noise"] is None


def test_fewer_images_than_asked_for_are_all(pairs):
    assert len(pictures(Brighter(), pairs, 100)["images"]) == 7
