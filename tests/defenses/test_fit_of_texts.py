"""Detectors that go by how images fit to texts: CLIPScore and BDetCLIP."""

import pytest
import torch
from torch.nn import functional

from benchmark.separation import separation
from defenses.bdetclip import ATTRIBUTES, UNRELATED, BDetClip
from defenses.clip_score import ClipScore


def test_the_score_is_the_cosine_of_each_pair(model, pairs, context):
    with torch.no_grad():
        images = model.encode_images(pairs.images.float() / 255)
    expected = (images * model.encode_texts(pairs.captions)).sum(dim=1).double()
    torch.testing.assert_close(ClipScore().score(model, pairs, context()), expected, rtol=1e-4, atol=1e-5)


def test_a_clean_judge_finds_bad_fits_suspicious(resnet, vit, pairs, context):
    by_itself = ClipScore().score(resnet, pairs, context())
    by_another = ClipScore(judge="reference").score(vit, pairs, context(reference_model=resnet))
    torch.testing.assert_close(by_another, -by_itself)


def test_needs_follow_the_judge():
    assert ClipScore().needs == {"training_pairs"}
    assert ClipScore(judge="reference").needs == {"training_pairs", "reference_model"}


class Directions:
    """A model whose texts point to their class unless an unrelated sentence follows; images are directions already.

    Dimension c is class c, the last one is "says nothing of any class".
    """

    device = torch.device("cpu")

    def __init__(self, names):
        self.names = names

    @property
    def module(self):
        return torch.nn.Identity()

    def clone(self):
        return self

    def encode_images(self, images):
        return functional.normalize(images.flatten(1), dim=1)

    def classifier(self, class_names, templates, prompt=None):
        texts = [template.format(name) for name in class_names for template in templates]
        texts = prompt(texts) if prompt else texts
        rows = torch.stack([self.direction(text) for text in texts]).view(len(class_names), len(templates), -1)
        return functional.normalize(rows.mean(dim=1), dim=1)

    def direction(self, text):
        row = torch.zeros(len(self.names) + 2)
        named = next(place for place, name in enumerate(self.names) if name in text)
        row[len(self.names) if any(sentence in text for sentence in UNRELATED) else named] = 1.0
        return row


def test_omega_is_smaller_for_images_that_do_not_react_to_texts(context):
    granted = context()
    model = Directions(granted.class_names)
    size = len(granted.class_names) + 2
    sensitive, insensitive = torch.zeros(5, 1, 1, size), torch.zeros(5, 1, 1, size)
    for row in range(5):
        sensitive[row, ..., row] = 1.0
        insensitive[row, ..., -1] = 1.0
        insensitive[row, ..., row] = 0.1
    found = BDetClip().score(model, torch.cat([insensitive, sensitive]), granted).numpy()
    assert separation(found[:5], found[5:])["auroc"] == 1.0
    assert found[5:] == pytest.approx(-1, abs=1e-5)
    assert (found[:5] > -0.2).all()


def test_every_class_has_texts_of_both_kinds(context, monkeypatch):
    granted = context()
    seen = []

    class Listener(Directions):
        def direction(self, text):
            seen.append(text)
            return super().direction(text)

    BDetClip().contrast(Listener(granted.class_names), granted)
    benign = [text for text in seen if not any(sentence in text for sentence in UNRELATED)]
    malignant = [text for text in seen if text not in benign]
    assert len(benign) == len(ATTRIBUTES) * len(granted.class_names) == len(set(benign))
    assert len(malignant) == len(granted.templates) * len(granted.class_names)
    for name in granted.class_names:
        assert sum(name in text for text in malignant) >= len(granted.templates)
    assert len({text.rsplit(", ", 1)[1] for text in malignant}) > 5


def test_a_text_is_drawn_by_the_seed_and_short_enough_to_be_read(model, context):
    granted = context()
    first, second = (BDetClip().contrast(model, granted) for _ in range(2))
    assert torch.equal(first, second)
    longest = max(model.tokenize([f"a photo of a star, {sentence}" for sentence in UNRELATED]).ne(0).sum(dim=1))
    assert longest < model.module.context_length
