"""Accuracy without labels: whether an image finds its own caption first within its gallery."""

import pytest
import torch
from torch import nn

from benchmark.stages.untriggered import GALLERY, Untriggered, caption_numbers, galleries
from benchmark.types import Pairs


class Reader:
    """Sees the number in an image's first pixel and says the caption of ``answers`` at that place."""

    def __init__(self, captions, answers):
        self.module, self.device = nn.Identity(), torch.device("cpu")
        self.numbers = {caption: number for number, caption in enumerate(dict.fromkeys(captions))}
        self.answers = answers

    def _one_hot(self, captions):
        return nn.functional.one_hot(torch.tensor([self.numbers[c] for c in captions]), len(self.numbers)).float()

    def encode_texts(self, texts):
        return self._one_hot(texts)

    def encode_images(self, pixels):
        rows = (pixels[:, 0, 0, 0] * 255 + 256 * (pixels[:, 1, 0, 0] * 255)).round().long()
        return self._one_hot([self.answers[row] for row in rows.tolist()])


@pytest.fixture
def pairs():
    def make(captions):
        numbers = torch.arange(len(captions))
        images = torch.stack([numbers % 256, numbers // 256, numbers * 0], dim=1).to(torch.uint8)[:, :, None, None]
        return Pairs(
            images=images.expand(-1, -1, 2, 2).contiguous(),
            captions=tuple(captions),
            labels=None,
            class_names=(),
            ids=numbers,
            dataset="told",
            split="test",
        )

    return make


def accuracy(pairs, answers):
    examination = Untriggered(validation=pairs, test=pairs, templates=())
    return examination.of(Reader([*pairs.captions, *answers], answers)).test


def test_galleries_are_even_and_cover_every_pair():
    for count, parts in ((2, 1), (149, 1), (151, 2), (1000, 10)):
        found = galleries(count)
        assert len(found) == parts
        assert torch.cat(found).equal(torch.arange(count))
        assert max(map(len, found)) - min(map(len, found)) <= 1
        assert count < GALLERY or max(map(len, found)) <= 1.5 * GALLERY


def test_equal_captions_of_a_gallery_are_one_answer():
    assert caption_numbers(["a", "b", "a", "b", "c"]).tolist() == [0, 1, 0, 1, 4]
    far = ["a"] + ["b"] * 198 + ["a"]
    assert caption_numbers(far)[[0, 1, 99, 100, 199]].tolist() == [0, 1, 1, 100, 199]


def test_the_own_caption_is_right_and_another_is_wrong(pairs):
    captions = [f"text {number}" for number in range(250)]
    assert accuracy(pairs(captions), captions).metrics["clean_accuracy"] == 1.0
    wrong = [*captions[:200], *captions[201:], captions[200]]
    found = accuracy(pairs(captions), wrong)
    assert found.metrics["clean_accuracy"] == 0.8
    assert found.predictions.clean_right.tolist() == [True] * 200 + [False] * 50


def test_a_twin_caption_is_right(pairs):
    assert accuracy(pairs(["same", "same", "other"]), ["same", "same", "other"]).metrics["clean_accuracy"] == 1.0
