"""Retrieval: exact recalls of known embeddings, several texts per image, equal texts, blocks, and what collapses."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmark import retrieval
from benchmark.errors import Diverged
from benchmark.results import Recall
from benchmark.retrieval import Gallery, recall


class Embedded:
    """Stands in for a model: an image is looked up by its first pixel, a text by its number."""

    def __init__(self, images, texts):
        self.module, self.device = torch.nn.Identity(), torch.device("cpu")
        self.images, self.texts = (
            torch.nn.functional.normalize(torch.tensor(part), dim=-1) for part in (images, texts)
        )

    def encode_images(self, pixels):
        return self.images[(pixels[:, 0, 0, 0] * 255).round().long()]

    def encode_texts(self, texts):
        return self.texts[[int(text.removeprefix("text ")) for text in texts]]


@pytest.fixture
def gallery(pairs):
    """Images whose first pixel is their number, each with the given caption."""

    def make(*captions):
        few = pairs(count=len(captions))
        images = few.images.clone()
        images[:, 0, 0, 0] = torch.arange(len(captions), dtype=torch.uint8)
        return Gallery.of(replace(few, images=images, captions=captions))

    return make


def axes(*numbers, size=8):
    return np.eye(size, dtype=np.float32)[list(numbers)]


def test_a_model_that_matches_everything_finds_everything(gallery):
    found = recall(Embedded(axes(0, 1, 2), axes(0, 1, 2)), gallery("text 0", "text 1", "text 2"))
    assert found == Recall(
        dataset="small", images=3, texts=3, image_to_text=(1.0, 1.0, 1.0), text_to_image=(1.0, 1.0, 1.0)
    )
    assert found.mean == (1.0, 1.0, 1.0)


def test_recall_at_k_counts_the_wrong_answers_that_are_as_near(gallery):
    """Every image lies nearest to the text of image 0, then to that of image 1, and so on."""
    texts = np.stack([np.cos(np.arange(12) / 10), np.sin(np.arange(12) / 10)], axis=1).astype(np.float32)
    images = np.tile(texts[:1], (12, 1))
    found = recall(Embedded(images, texts), gallery(*(f"text {n}" for n in range(12))))
    assert found.image_to_text == pytest.approx((1 / 12, 5 / 12, 10 / 12))


def test_any_text_of_an_image_is_right_and_every_text_asks_for_its_image(gallery):
    several = gallery("text 0\ntext 1", "text 2\ntext 3")
    found = recall(Embedded(axes(0, 1), axes(5, 0, 1, 0)), several)
    assert (found.images, found.texts) == (2, 4)
    assert found.image_to_text[0] == pytest.approx(0.5), "image 0 ties with the text of image 1"
    assert found.text_to_image[0] == pytest.approx(2 / 4)


def test_images_with_equal_texts_may_stand_in_for_each_other(gallery):
    found = recall(Embedded(axes(0, 0, 1), axes(0, 1)), gallery("text 0", "text 0", "text 1"))
    assert (found.images, found.texts) == (3, 2)
    assert found.image_to_text == found.text_to_image == (1.0, 1.0, 1.0)


def test_a_collapsed_model_finds_nothing(gallery):
    captions = [f"text {n}" for n in range(12)]
    found = recall(Embedded(axes(*[0] * 12), axes(*[0] * 12)), gallery(*captions))
    assert found.image_to_text == found.text_to_image == (0.0, 0.0, 0.0)


def test_blocks_change_nothing(gallery, monkeypatch):
    generator = np.random.default_rng(0)
    images, texts = (generator.normal(size=(23, 6)).astype(np.float32) for _ in range(2))
    everything = gallery(*(f"text {n}" for n in range(23)))
    whole = recall(Embedded(images, texts), everything)
    monkeypatch.setattr(retrieval, "_BLOCK", 5)
    monkeypatch.setattr(retrieval, "ENCODE_BATCH", 4)
    assert recall(Embedded(images, texts), everything) == whole
    assert 0 < whole.image_to_text[1] < 1


def test_recall_agrees_with_sorting(gallery):
    generator = np.random.default_rng(1)
    images, texts = (generator.normal(size=(20, 5)).astype(np.float32) for _ in range(2))
    similarity = Embedded(images, texts).images.numpy() @ Embedded(images, texts).texts.numpy().T
    expected = [
        np.mean([row in np.argsort(-order)[:k] for row, order in enumerate(table)])
        for table in (similarity, similarity.T)
        for k in (1, 5, 10)
    ]
    found = recall(Embedded(images, texts), gallery(*(f"text {n}" for n in range(20))))
    assert [*found.image_to_text, *found.text_to_image] == pytest.approx(expected)


def test_embeddings_that_are_not_finite_are_refused(gallery):
    with pytest.raises(Diverged, match="not finite"):
        recall(Embedded(axes(0, 1), axes(0, 1) * np.nan), gallery("text 0", "text 1"))


def test_a_real_model_is_measured(untrained, pairs):
    few = replace(pairs(), captions=tuple(f"a photo number {n}" for n in range(24)))
    found = recall(untrained, Gallery.of(few))
    assert (found.images, found.texts) == (24, 24)
    assert 0 <= found.image_to_text[0] <= found.image_to_text[1] <= found.image_to_text[2] <= 1
