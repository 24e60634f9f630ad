"""Which interval is chosen, and that it covers what it claims."""

import numpy as np
import pytest
from scipy import stats

from reports.frames import Bits
from reports.scores import Blocks, Outcome, score_intervals
from reports.statistics.intervals import image_weights, kind_for, t_interval, wilson


@pytest.mark.parametrize(
    ("seeds", "outcomes", "kind"),
    [
        (0, True, "none"),
        (1, True, "images"),
        (2, True, "t"),
        (4, True, "t"),
        (5, True, "bootstrap"),
        (9, True, "bootstrap"),
        (9, False, "t"),
    ],
)
def test_the_interval_follows_what_was_repeated(seeds, outcomes, kind):
    assert kind_for(seeds, outcomes) == kind


def test_t_interval_is_scipys():
    values = np.array([0.1, 0.3, 0.2])
    expected = stats.t.interval(0.95, 2, loc=values.mean(), scale=stats.sem(values))
    assert t_interval(values).tolist() == pytest.approx(expected)
    assert np.isnan(t_interval(values[:1])).all()


def test_wilson_is_open_at_zero_successes():
    low, high = wilson(np.array(0.0), np.array(100.0))
    assert low == pytest.approx(0, abs=1e-12) and high == pytest.approx(0.037, abs=0.001)


def test_image_weights_draw_as_many_images_as_there_are():
    assert (image_weights(50, 20).sum(axis=0) == 50).all()


def world(generator, seeds, images, attacks=("a", "b"), methods=1, mean=0.4):
    """Random victims of every attack, images of their own difficulty; (outcome, blocks, bits)."""
    blocks = Blocks(
        tuple(name for name in attacks for _ in range(seeds)), tuple(seed for _ in attacks for seed in range(seeds))
    )
    hard = generator.normal(0, 0.15, images)
    values, bits = np.zeros((methods, len(blocks))), {}
    cells = np.arange(values.size).reshape(values.shape)
    for method in range(methods):
        for block in range(len(blocks)):
            chance = mean + generator.normal(0, 0.08) + hard
            hits = generator.random(images) < chance
            packed = np.packbits(np.stack([hits, hits]), axis=-1)
            everything = np.packbits(np.ones(images, dtype=bool))
            bits[int(cells[method, block])] = Bits(packed, packed, everything, images)
            values[method, block] = hits.mean()
    count = np.full(len(blocks), float(images))
    return Outcome(values=values, cells=cells, images=count, field="success"), blocks, bits


@pytest.mark.parametrize(("seeds", "low"), [(8, 0.85), (3, 0.87)])
def test_intervals_cover_the_true_mean(seeds, low):
    generator = np.random.default_rng(seeds)
    hits = []
    for _ in range(120):
        limits, kinds = score_intervals(*world(generator, seeds, 150))
        assert kinds == ["bootstrap" if seeds >= 5 else "t"]
        hits.append(limits[0, 0] <= 0.4 <= limits[0, 1])
    assert low <= np.mean(hits) <= 1.0


def test_one_seed_gives_an_image_interval_that_says_so():
    limits, kinds = score_intervals(*world(np.random.default_rng(0), 1, 400))
    assert kinds == ["images"]
    assert 0 < limits[0, 1] - limits[0, 0] < 0.15


def test_more_seeds_than_images_matter_in_the_bootstrap():
    generator = np.random.default_rng(3)
    outcome, blocks, bits = world(generator, 6, 2000, attacks=("a",))
    wide, _ = score_intervals(outcome, blocks, bits)
    alike = dict.fromkeys(bits, bits[0])
    narrow, _ = score_intervals(outcome, blocks, alike)
    assert wide[0, 1] - wide[0, 0] > 1.5 * (narrow[0, 1] - narrow[0, 0])


def test_a_spread_of_zero_falls_back_to_the_images():
    blocks = Blocks(("a",) * 3, (0, 1, 2))
    outcome = Outcome(values=np.zeros((1, 3)), cells=np.arange(3)[None], images=np.full(3, 100.0), field="success")
    limits, kinds = score_intervals(outcome, blocks, {})
    assert kinds == ["images"]
    assert limits[0, 1] > 0.03


def test_a_hole_has_no_interval():
    blocks = Blocks(("a",) * 3, (0, 1, 2))
    values = np.array([[0.1, np.nan, 0.2]])
    outcome = Outcome(values=values, cells=np.array([[0, -1, 1]]), images=np.full(3, 100.0), field="success")
    limits, kinds = score_intervals(outcome, blocks, {})
    assert kinds == ["none"] and np.isnan(limits).all()


def test_an_attack_that_lacks_a_seed_does_not_shift_the_seed_means():
    blocks = Blocks(("a", "a", "a", "b", "b"), (0, 1, 2, 0, 1))
    values = np.array([[0.1, 0.1, 0.1, 0.9, 0.9]])
    assert blocks.seed_means(values)[0] == pytest.approx([0.5, 0.5, 0.5])
