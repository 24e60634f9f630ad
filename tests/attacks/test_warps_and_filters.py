"""WaNet's warps, frequencies in colour channels, and the photo filter."""

import pytest
import torch
from scipy.fft import dctn
from torch.nn import functional

from attacks.ftrojan import FTrojan
from attacks.nashville import Nashville
from attacks.wanet import WaNet
from attacks.wanet_pixel import WaNetPixel
from benchmark.frequency import block_dct, dct_matrix, inverse_block_dct, to_luma_chroma, to_rgb
from benchmark.warping import warp_field, warped


@pytest.mark.parametrize("attack", [WaNet(strength=0.0), WaNetPixel(strength=0.0)], ids=["smooth", "pixel"])
def test_no_strength_is_the_identity_to_the_last_bit(attack, images, ids):
    assert torch.equal(attack.trigger(images, ids), images)


def test_warp_reads_from_the_displaced_place(images):
    right = torch.stack([torch.ones(32, 32), torch.zeros(32, 32)])
    assert torch.equal(warped(images, right)[..., :-1], images[..., 1:])
    halfway_down = torch.stack([torch.zeros(32, 32), torch.full((32, 32), 0.5)])
    expected = (images[:, :, 1:] + images[:, :, :-1]) / 2
    assert torch.allclose(warped(images, halfway_down)[:, :, :-1], expected, atol=1e-6)


def test_warp_agrees_with_grid_sampling(images):
    displacement = warp_field(0, 4, 32) * 2
    steps = torch.linspace(-1, 1, 32)
    identity = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)
    grid = (identity + displacement.permute(1, 2, 0) * 2 / 31).clamp(-1, 1)
    expected = functional.grid_sample(images, grid.expand(6, -1, -1, -1), mode="bilinear", align_corners=True)
    assert torch.allclose(warped(images, displacement), expected, atol=1e-4)


def test_warp_noise_has_unit_mean_size_on_its_grid():
    assert warp_field(0, 16, 16).abs().mean().item() == pytest.approx(1.0, abs=1e-5)


def test_warp_is_the_same_at_every_size_relative_to_the_image():
    small, large = warp_field(0, 4, 32), warp_field(0, 4, 224)
    for row, column in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        assert torch.allclose(small[:, row, column], large[:, row, column], atol=1e-5)
    shrunk = functional.interpolate(large[None], size=(32, 32), mode="bilinear", align_corners=True)[0]
    assert (small - shrunk).abs().max() < 0.05


def test_smooth_warp_leaves_flat_images_and_moves_edges(ids):
    image = torch.zeros(1, 3, 32, 32)
    assert torch.equal(WaNet().trigger(image, ids[:1]), image)
    image[:, :, :, 16:] = 1.0
    moved = WaNet().trigger(image, ids[:1])
    edge = (moved[0, 0] < 0.5).sum(dim=1).float()
    assert edge.max() - edge.min() >= 3
    assert (edge[1:] - edge[:-1]).abs().max() <= 3


def test_pixel_warp_moves_by_half_a_pixel_at_any_size(ids):
    for size in (32, 224):
        ramp = torch.linspace(0, 1, size).expand(1, 3, size, size)
        jitter = (WaNetPixel().trigger(ramp, ids[:1]) - ramp)[0, 0, :, 2:-2] * (size - 1)
        assert jitter.abs().mean().item() == pytest.approx(0.5, abs=0.05)
        assert torch.corrcoef(torch.stack([jitter[1:].flatten(), jitter[:-1].flatten()]))[0, 1].abs() < 0.1


def test_dct_is_orthonormal_and_agrees_with_scipy(images):
    matrix = dct_matrix(32)
    assert torch.allclose(matrix @ matrix.T, torch.eye(32, dtype=torch.float64), atol=1e-12)
    ours = block_dct(images.double(), 8)
    tile = images[2, 1, 8:16, 24:32].double().numpy()
    assert torch.allclose(ours[2, 1, 8:16, 24:32], torch.from_numpy(dctn(tile, norm="ortho")), atol=1e-10)
    assert torch.allclose(inverse_block_dct(ours, 8), images.double(), atol=1e-10)


def test_colours_convert_to_luma_and_chroma_and_back(images):
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    assert to_luma_chroma(red).flatten().tolist() == pytest.approx([0.299, 0.5, -0.168736], abs=1e-5)
    assert torch.allclose(to_rgb(to_luma_chroma(images)), images, atol=1e-6)


@pytest.mark.parametrize(("size", "blocks"), [(32, 1), (224, 49)])
def test_ftrojan_changes_exactly_two_bins_of_both_chroma_planes(size, blocks):
    images = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    planes = to_luma_chroma(FTrojan().unclipped(images) - images)
    change = block_dct(planes, 32) * 255
    touched = change.abs() > 1e-4
    assert not touched[:, 0].any()
    assert touched[:, 1:].sum() == 2 * 2 * blocks * 2
    assert torch.allclose(change[touched], torch.full((), 30.0, dtype=torch.float64), atol=1e-4)
    places = {(row % 32, column % 32) for row, column in touched[0, 1].nonzero().tolist()}
    assert places == {(15, 15), (31, 31)}


def test_ftrojan_leaves_what_no_block_covers():
    images = torch.full((1, 3, 40, 40), 0.5)
    stamped = FTrojan().trigger(images, torch.tensor([0]))
    assert torch.equal(stamped[:, :, 32:], images[:, :, 32:]) and torch.equal(stamped[..., 32:], images[..., 32:])
    assert not torch.allclose(stamped[:, :, :32, :32], images[:, :, :32, :32], atol=1e-3)


@pytest.mark.parametrize(
    ("before", "after"),
    [((190, 120, 50), (224, 132, 87)), ((0, 0, 0), (0, 8, 46))],
)
def test_nashville_of_pixels_computed_by_hand(before, after):
    image = (torch.tensor(before).float() / 255).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    stamped = Nashville().trigger(image, torch.tensor([0])) * 255
    assert stamped[0, :, 2, 2].tolist() == pytest.approx(after, abs=1e-3)


def test_nashville_lifts_blue_in_shadows_and_lowers_it_in_lights(ids):
    for level, sign in ((0.1, 1), (0.95, -1)):
        image = torch.full((1, 3, 4, 4), level)
        stamped = Nashville().trigger(image, ids[:1])[0, :, 0, 0]
        assert sign * (stamped[2] - stamped[0]) > 0.05


def test_nashville_opacity_mixes_with_the_original(images, ids):
    assert torch.equal(Nashville(opacity=0.0).trigger(images, ids), images)
    half = (images + Nashville().trigger(images, ids)) / 2
    assert torch.allclose(Nashville(opacity=0.5).trigger(images, ids), half, atol=1e-6)
