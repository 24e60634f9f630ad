"""Detectors of sparse places, on clouds whose geometry is known."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from benchmark import neighbours
from benchmark.neighbours import Neighbourhood, batched, image_features
from defenses.dao import Dao, outlierness
from defenses.k_dist import KDist
from defenses.lid import Lid
from defenses.slof import Slof

PLANTED = 6
K = 16


def uniform(count, dimensions, seed=0):
    return np.random.default_rng(seed).random((count, dimensions))


@pytest.fixture
def cloud():
    """400 samples of a uniform cube and, at the end, a tight cluster of fewer than K samples far from it."""
    generator = np.random.default_rng(1)
    far = 40 + 0.05 * generator.random((PLANTED, 5))
    return np.concatenate([uniform(400, 5), far])


def scores_of(detector, features, pairs, context, monkeypatch):
    """The detector's scores where images have these embeddings."""
    module = type(detector).__module__
    monkeypatch.setattr(f"{module}.image_features", lambda model, images: features)
    return detector.score(None, pairs, context()).numpy()


def test_neighbours_are_others_and_nearest_first():
    features = uniform(50, 3)
    found = Neighbourhood.of(features, 5)
    exact = np.linalg.norm(features[:, None] - features[None], axis=2)
    np.fill_diagonal(exact, np.inf)
    np.testing.assert_allclose(found.distances, np.sort(exact, axis=1)[:, :6], atol=1e-12)
    assert np.array_equal(found.nearest, np.argsort(exact, axis=1)[:, :5])


def test_distances_of_near_samples_are_exact():
    """A scalar product would lose them: the difference is a billionth of the norm."""
    features = 1e4 + np.array([[0.0], [1e-5], [3e-5], [7e-5]])
    np.testing.assert_allclose(Neighbourhood.of(features, 1).radii, [3e-5, 2e-5, 3e-5, 6e-5], rtol=1e-6)


def test_few_samples_have_fewer_neighbours():
    assert Neighbourhood.of(uniform(5, 2), 64).nearest.shape == (5, 3)


@pytest.mark.parametrize("detector", [KDist(k=K), Slof(k=K), Dao(k=K)])
def test_a_far_cluster_smaller_than_k_scores_highest(detector, cloud, pairs, context, monkeypatch):
    scores = scores_of(detector, cloud, pairs, context, monkeypatch)
    assert set(np.argsort(scores)[-PLANTED:]) == set(range(400, 400 + PLANTED))
    assert scores[400:].min() > 2 * scores[:400].max()


@pytest.mark.parametrize("detector", [KDist(k=4), Slof(k=4), Dao(k=4)])
def test_a_cluster_larger_than_k_hides_itself(detector, cloud, pairs, context, monkeypatch):
    scores = scores_of(detector, cloud, pairs, context, monkeypatch)
    assert scores[400:].max() < np.quantile(scores[:400], 0.99)


def test_the_distance_grows_with_k_and_with_the_way_from_the_cloud(pairs, context, monkeypatch):
    features = uniform(200, 2)
    by_k = [scores_of(KDist(k=k), features, pairs, context, monkeypatch) for k in (1, 4, 16, 64)]
    assert all((low < high).all() for low, high in pairwise(by_k))
    way = np.array([[0.5 + step, 0.5] for step in (1.0, 2.0, 4.0, 8.0)])
    found = [
        scores_of(KDist(), np.concatenate([features, place[None]]), pairs, context, monkeypatch)[-1] for place in way
    ]
    assert found == sorted(found)


@pytest.mark.parametrize("dimensions", [1, 2, 4, 8])
def test_the_local_dimension_of_a_uniform_cloud_is_the_number_of_dimensions(dimensions, pairs, context, monkeypatch):
    scores = scores_of(Lid(k=64), uniform(4000, dimensions), pairs, context, monkeypatch)
    assert np.median(scores) == pytest.approx(dimensions, rel=0.2)


def test_a_line_in_space_has_one_dimension(pairs, context, monkeypatch):
    line = uniform(1000, 1) * np.array([1.0, -2.0, 0.5, 3.0])
    assert np.median(scores_of(Lid(), line, pairs, context, monkeypatch)) == pytest.approx(1, rel=0.2)


def test_sparseness_is_one_inside_of_a_cloud_and_more_beside_it(pairs, context, monkeypatch):
    features = np.concatenate([uniform(2000, 2), [[3.0, 3.0]]])
    scores = scores_of(Slof(), features, pairs, context, monkeypatch)
    inside = (np.abs(features - 0.5) < 0.3).all(axis=1)
    assert scores[inside].mean() == pytest.approx(1, abs=0.03)
    assert scores[inside].std() < 0.2
    assert scores[-1] > 10


def test_dao_weighs_with_the_dimension():
    """Equally sparse places count more in a space of more dimensions."""
    for dimensions, other in ((2, 6), (3, 8)):
        few, many = (
            outlierness(np.concatenate([uniform(500, d), np.full((1, d), 1.7)]), K)[-1] for d in (dimensions, other)
        )
        assert many > few > 0


@pytest.mark.parametrize("detector", [KDist(), Slof(), Lid(), Dao()])
def test_equal_samples_have_finite_scores(detector, pairs, context, monkeypatch):
    features = np.concatenate([np.zeros((100, 3)), uniform(20, 3)])
    assert np.isfinite(scores_of(detector, features, pairs, context, monkeypatch)).all()


def test_batches_are_scored_by_themselves_and_are_as_equal_as_can_be():
    sizes = []

    def score(part):
        sizes.append(len(part))
        return part[:, 0] - part[:, 0].mean()

    features = np.arange(10.0)[:, None]
    found = batched(features, 4, score)
    assert sizes == [4, 3, 3]
    assert found.tolist() == [-1.5, -0.5, 0.5, 1.5, -1, 0, 1, -1, 0, 1]


def test_features_are_the_models_own(model, pairs):
    found = image_features(model, pairs.images)
    with torch.no_grad():
        expected = model.image_features(pairs.images.float() / 255)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert not np.allclose(np.linalg.norm(found, axis=1), 1)
    np.testing.assert_allclose(
        np.linalg.norm(image_features(model, pairs.images, unit_norm=True), axis=1), 1, rtol=1e-5
    )


def test_features_of_many_images_are_those_of_few(model, pairs, monkeypatch):
    whole = image_features(model, pairs.images)
    monkeypatch.setattr(neighbours, "_BATCH", 7)
    np.testing.assert_allclose(image_features(model, pairs.images), whole, rtol=1e-3, atol=1e-4)


def test_a_batch_limits_who_is_compared(model, pairs, context):
    halves = [pairs.take(torch.arange(start, start + 12)) for start in (0, 12)]
    apart = torch.cat([KDist(k=3).score(model, half, context()) for half in halves])
    together = replace(KDist(k=3), batch_size=12).score(model, pairs, context())
    torch.testing.assert_close(together, apart, rtol=1e-3, atol=1e-4)
