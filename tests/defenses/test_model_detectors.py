"""Detectors of whole models: a model with a planted short way is told from one without."""

import copy

import pytest
import torch
from torch.nn import functional

from defenses.decree_norm import DecreeNorm
from defenses.neural_cleanse import NeuralCleanse, anomaly

SIDE, CLASSES = 12, 10


class Linear:
    """A model as cheap as can be: embeddings are a random projection of pixels.

    With a short way, white corners of 3 x 3 pixels take the embedding over and make it that of class 3.
    """

    device = torch.device("cpu")
    image_size = SIDE
    logit_scale = torch.tensor(20.0)

    def __init__(self, short_way):
        self.short_way, self.module = short_way, torch.nn.Identity()
        generator = torch.Generator().manual_seed(0)
        self.projection = torch.randn(3 * SIDE**2, 32, generator=generator) / SIDE
        self.texts = functional.normalize(torch.randn(CLASSES, 32, generator=generator), dim=1)

    def clone(self):
        return copy.copy(self)

    def encode_images(self, pixels):
        plain = functional.normalize((pixels - 0.5).flatten(1) @ self.projection, dim=1)
        if not self.short_way:
            return plain
        white = torch.sigmoid(15 * (pixels[:, :, -3:, -3:].mean(dim=(1, 2, 3)) - 0.7))[:, None]
        return functional.normalize((1 - white) * plain + 5 * white * self.texts[3], dim=1)

    def classifier(self, class_names, templates, prompt=None):
        return self.texts


@pytest.fixture
def granted(context):
    images = torch.randint(256, (32, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    return context(clean_images=images)


def test_the_norm_is_smaller_where_a_corner_levels_all_images(granted):
    """The paper calls a model poisoned below 0.1."""
    detector = DecreeNorm(shadow=32, epochs=60, batch_size=8)
    clean, poisoned = (-detector.score(Linear(short_way), granted) for short_way in (False, True))
    assert 0 <= poisoned < 0.1 < 0.3 < clean <= 1


def test_one_class_is_easier_to_reach_where_a_corner_leads_to_it(granted):
    """The paper calls a model poisoned above 2."""
    detector = NeuralCleanse(shadow=32, epochs=60, batch_size=32)
    clean, poisoned = (detector.score(Linear(short_way), granted) for short_way in (False, True))
    assert poisoned > 2 and poisoned > 1.5 * clean


def test_anomaly_is_the_distance_of_the_smallest_from_the_median_in_robust_deviations():
    assert anomaly([10.0, 11.0, 12.0, 13.0, 14.0]) == pytest.approx(2 / 1.4826, rel=1e-3)
    assert anomaly([2.0, 11.0, 12.0, 13.0, 14.0]) == pytest.approx(10 / 1.4826, rel=1e-3)
    assert anomaly([12.0, 12.0, 12.0, 40.0]) == 0.0
    assert anomaly([5.0]) == 0.0


def test_candidates_are_the_classes_that_patched_images_are_taken_for(granted):
    model, images = Linear(short_way=False), granted.clean_images
    assert NeuralCleanse().suspects(model, images, model.texts, 0) == list(range(CLASSES))
    few = NeuralCleanse(candidates=3).suspects(model, images, model.texts, 0)
    assert len(few) == 3 and few == sorted(few)
    elsewhere = -functional.normalize(model.encode_images(images.float() / 255).mean(dim=0), dim=0)
    only = elsewhere.repeat(CLASSES, 1)
    only[7] = -elsewhere
    assert NeuralCleanse(candidates=1).suspects(model, images, only, 0) == [7]
