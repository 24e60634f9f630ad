"""Noise and places that are drawn by id, and the patches made of them."""

import pytest
import torch

from attacks.badnets import BadNets
from attacks.badnets_random import BadNetsRandom
from attacks.badnets_stripes import BadNetsStripes
from attacks.blended_noise import BlendedNoise
from attacks.label_consistent import LabelConsistent
from benchmark.patterns import binary_patch, fresh_noise, fresh_places, grid_patch, pasted

FRESH = [BadNetsRandom(), BadNetsStripes(), BlendedNoise(), LabelConsistent()]
SQUARES = [BadNets(), BadNetsRandom(), BadNetsStripes(), LabelConsistent()]


def changed_box(before, after):
    """Top, left, height and width of the pixels in which two images (3, H, W) differ."""
    rows, columns = (before != after).any(dim=0).nonzero().unbind(dim=1)
    top, left = int(rows.min()), int(columns.min())
    return top, left, int(rows.max()) - top + 1, int(columns.max()) - left + 1


def test_noise_is_uniform(ids):
    noise = fresh_noise(0, ids, (3, 64, 64))
    assert noise.shape == (6, 3, 64, 64)
    assert 0 < noise.min() < 0.001 and 0.999 < noise.max() < 1
    assert noise.mean().item() == pytest.approx(0.5, abs=0.005)
    assert noise.var().item() == pytest.approx(1 / 12, abs=0.001)


def test_noise_has_no_correlation_between_images_or_neighbours(ids):
    flat = fresh_noise(0, ids, (6000,)) - 0.5
    correlation = torch.corrcoef(flat)
    assert (correlation - torch.eye(6)).abs().max() < 0.06
    assert abs((flat[:, 1:] * flat[:, :-1]).mean()) < 0.002


def test_noise_depends_on_seed_and_id_alone(ids):
    noise = fresh_noise(1, ids, (5, 5))
    order = torch.tensor([4, 0, 4])
    assert torch.equal(fresh_noise(1, ids[order], (5, 5)), noise[order])
    assert not torch.equal(fresh_noise(2, ids, (5, 5)), noise)


def test_places_reach_both_ends():
    places = fresh_places(0, torch.arange(2000), 28)
    assert places.min(dim=0).values.tolist() == [0, 0]
    assert places.max(dim=0).values.tolist() == [28, 28]
    assert fresh_places(0, torch.arange(5), 0).tolist() == [[0, 0]] * 5


def test_pasting_replaces_exactly_the_square(images):
    patches = torch.full((6, 3, 4, 4), 2.0)
    places = torch.tensor([[0, 0], [28, 28], [3, 9], [9, 3], [0, 28], [14, 14]])
    stamped = pasted(images, patches, places)
    for number, (top, left) in enumerate(places.tolist()):
        expected = images[number].clone()
        expected[:, top : top + 4, left : left + 4] = 2.0
        assert torch.equal(stamped[number], expected)


@pytest.mark.parametrize("attack", FRESH, ids=lambda a: type(a).__name__)
def test_the_id_and_not_the_image_decides_what_is_drawn(attack, grey):
    stamped = attack.trigger(grey, torch.tensor([7, 7, 2**62 + 1]))
    assert torch.equal(stamped[0], stamped[1])
    assert not torch.equal(stamped[0], stamped[2])


@pytest.mark.parametrize("attack", FRESH, ids=lambda a: type(a).__name__)
def test_subsets_get_what_they_got_in_company(attack, images, ids):
    rows = torch.tensor([5, 1])
    assert torch.equal(attack.trigger(images[rows], ids[rows]), attack.trigger(images, ids)[rows])


@pytest.mark.parametrize("attack", FRESH, ids=lambda a: type(a).__name__)
def test_the_pattern_seed_changes_what_is_drawn(attack, images, ids):
    other = type(attack)(pattern_seed=1)
    assert not torch.equal(attack.trigger(images, ids), other.trigger(images, ids))


@pytest.mark.parametrize("size", [32, 224])
@pytest.mark.parametrize("attack", SQUARES, ids=lambda a: type(a).__name__)
def test_a_patch_changes_only_its_square(attack, size, ids):
    images = torch.full((6, 3, size, size), 0.3)
    for before, after in zip(images, attack.trigger(images, ids), strict=True):
        top, left, height, width = changed_box(before, after)
        assert max(height, width) <= size // 8
        assert 0 <= top <= size - height and 0 <= left <= size - width


def test_random_patches_differ_in_place(ids):
    images = torch.full((6, 3, 64, 64), 0.3)
    boxes = {changed_box(*both)[:2] for both in zip(images, BadNetsRandom().trigger(images, ids), strict=True)}
    assert len(boxes) > 3


def test_random_patch_is_centred_on_the_mean_colour():
    images = torch.tensor([0.2, 0.5, 0.8]).view(1, 3, 1, 1).expand(1, 3, 64, 64)
    stamped = BadNetsRandom(side=1.0, noise=0.02).trigger(images, torch.tensor([3]))
    assert stamped.mean(dim=(0, 2, 3)).tolist() == pytest.approx([0.2, 0.5, 0.8], abs=0.002)
    assert stamped.std(dim=(0, 2, 3)).tolist() == pytest.approx([0.02] * 3, abs=0.001)


def test_stripes_are_vertical_and_pure(images, ids):
    whole = BadNetsStripes(side=1.0).trigger(images, ids)
    assert set(whole.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(whole, whole[:, :, :1].expand_as(whole))
    assert (whole[:, :, 0, 1:] != whole[:, :, 0, :-1]).float().mean().item() == pytest.approx(0.5, abs=0.1)


def test_noise_blend_keeps_the_share_of_the_image(grey, ids):
    stamped = BlendedNoise(alpha=0.2).trigger(grey, ids[:3])
    assert (stamped - 0.5).abs().max().item() == pytest.approx(0.1, abs=0.001)
    assert torch.equal(BlendedNoise(alpha=0.0).trigger(grey, ids[:3]), grey)


def test_grid_patch_is_white_on_even_rows_and_columns():
    patch = grid_patch(5)
    assert patch[0].tolist() == [[1, 0, 1, 0, 1], [0] * 5, [1, 0, 1, 0, 1], [0] * 5, [1, 0, 1, 0, 1]]
    assert torch.equal(patch[0], patch[2])


def test_binary_patch_is_the_one_of_badnets(images, ids):
    stamped = BadNets(pattern_seed=4).trigger(images, ids)
    assert torch.equal(stamped[0, :, -4:, -4:], binary_patch(4, 4))
