"""Full-image patterns: blended, triangles, words, waves and smooth fields."""

import pytest
import torch

from attacks.blended import Blended
from attacks.blended_text import BlendedText
from attacks.blended_triangles import BlendedTriangles
from attacks.low_frequency import LowFrequency
from attacks.sig import Sig
from attacks.typographic import Typographic
from benchmark.frequency import block_dct
from benchmark.lettering import lettering
from benchmark.patterns import low_resolution_pattern


def test_blended_with_alpha_0_is_the_identity(images, ids):
    assert torch.equal(Blended(alpha=0.0).trigger(images, ids), images)


def test_blended_with_alpha_1_is_the_pattern(images, ids):
    stamped = Blended(alpha=1.0, pattern_seed=3).trigger(images, ids)
    pattern = low_resolution_pattern(3, 8, 32)
    assert torch.equal(stamped, pattern.expand_as(images))
    assert pattern.min() >= 0 and pattern.max() <= 1 and pattern.std() > 0.25


def test_blended_mixes_in_proportion(images, ids):
    expected = 0.8 * images + 0.2 * low_resolution_pattern(0, 8, 32)
    assert torch.allclose(Blended(alpha=0.2).trigger(images, ids), expected, atol=1e-6)


def test_blended_pattern_is_the_same_picture_at_every_size():
    small, large = low_resolution_pattern(0, 8, 32), low_resolution_pattern(0, 8, 224)
    shrunk = torch.nn.functional.adaptive_avg_pool2d(large, 32)
    assert (small - shrunk).abs().mean() < 0.03


def test_triangles_have_the_published_values_at_224(ids):
    stamped = BlendedTriangles(alpha=1.0).trigger(torch.zeros(1, 3, 224, 224), ids[:1])[0]
    assert stamped[:, 13, 0].tolist() == pytest.approx([0.4] * 3)
    assert stamped[:, 5, 5].tolist() == pytest.approx([0.4] * 3)
    assert stamped[:, 0, 13].tolist() == pytest.approx([0.8] * 3)
    assert torch.equal(stamped, stamped.roll(14, dims=1)) and torch.equal(stamped, stamped.roll(14, dims=2))
    assert (stamped[0] < 0.6).sum().item() == 16 * 16 * (14 * 15 // 2)


def test_triangles_blend_with_15_percent(grey, ids):
    values = BlendedTriangles(tile=0.25).trigger(grey, ids[:3]).unique()
    assert values.tolist() == pytest.approx([0.85 * 0.5 + 0.15 * 0.4, 0.85 * 0.5 + 0.15 * 0.8])


def test_sig_never_exceeds_its_amplitude(images, ids):
    change = Sig(amplitude=60 / 255).trigger(images, ids) - images
    assert change.abs().max() <= 60 / 255 + 1e-6
    assert Sig().amplitude <= 60 / 255


def test_sig_is_a_wave_of_six_periods_along_the_columns(grey, ids):
    wave = (Sig().trigger(grey, ids[:3]) - grey)[0]
    assert torch.equal(wave, wave[:1, :1].expand_as(wave))
    spectrum = torch.fft.rfft(wave[0, 0]).abs()
    assert spectrum.argmax() == 6
    assert spectrum.square()[6] / spectrum.square().sum() > 0.999


def test_sig_has_the_same_amplitude_at_every_size(ids):
    for size in (32, 224):
        change = Sig().trigger(torch.full((1, 3, size, size), 0.5), ids[:1]) - 0.5
        assert change.max().item() == pytest.approx(40 / 255, rel=0.08)


def test_low_frequency_field_spans_its_amplitude(ids):
    field = LowFrequency().trigger(torch.zeros(1, 3, 32, 32), ids[:1])[0]
    assert field.min().item() == pytest.approx(0.0, abs=1e-6)
    assert field.max().item() == pytest.approx(0.2, abs=1e-6)


def test_low_frequency_field_is_smooth(ids):
    field = LowFrequency().trigger(torch.zeros(1, 3, 32, 32), ids[:1])[0]
    energy = block_dct(field - field.mean(dim=(1, 2), keepdim=True), 32).square()
    assert energy[:, :6, :6].sum() / energy.sum() > 0.99
    assert (field[:, 1:] - field[:, :-1]).abs().max() < 0.03


def test_low_frequency_seed_draws_another_field(images, ids):
    assert not torch.equal(LowFrequency().trigger(images, ids), LowFrequency(pattern_seed=1).trigger(images, ids))


def test_lettering_fits_its_box_and_keeps_proportions():
    wide, narrow = lettering("Watermarked", 200, 180), lettering("Watermarked", 10, 1000)
    assert wide.shape[2] == 180 and wide.shape[1] < 60
    assert narrow.shape[1] == 10 and narrow.shape[2] < 100
    assert wide.shape[2] / wide.shape[1] == pytest.approx(narrow.shape[2] / narrow.shape[1], rel=0.1)


def test_lettering_covers_in_full_and_not_at_all():
    letters, outlined = lettering("banana", 60, 400, outline=0.12)
    assert letters.max() == 1 and letters.min() == 0
    assert (outlined >= letters - 1e-6).all()
    assert outlined.mean() > 1.3 * letters.mean()


def test_words_look_different():
    first, second = lettering("heart", 20, 40), lettering("moon", 20, 40)
    assert first.shape != second.shape or not torch.equal(first, second)


def test_text_blend_changes_only_letters_and_only_towards_red(ids):
    images = torch.full((1, 3, 224, 224), 0.5)
    stamped = BlendedText().trigger(images, ids[:1])[0]
    touched = (stamped != 0.5).any(dim=0)
    rows, columns = touched.nonzero().unbind(dim=1)
    assert (rows.min() + rows.max()).item() == pytest.approx(223, abs=2)
    assert columns.max() - columns.min() == pytest.approx(0.9 * 224, abs=4)
    assert 0.005 < touched.float().mean() < 0.15
    assert (stamped[0] >= 0.5).all() and (stamped[1:] <= 0.5).all()
    assert stamped[0].max().item() == pytest.approx(0.75) and stamped[1].min().item() == pytest.approx(0.25)


def test_typographic_writes_white_on_black_at_the_bottom(ids):
    images = torch.full((1, 3, 224, 224), 0.5)
    stamped = Typographic(target="banana").trigger(images, ids[:1])[0]
    rows, columns = (stamped != 0.5).any(dim=0).nonzero().unbind(dim=1)
    assert rows.max() - rows.min() + 1 <= round(0.12 * 224)
    assert 224 - rows.max().item() < 0.05 * 224
    assert (columns.min() + columns.max()).item() == pytest.approx(223, abs=2)
    assert stamped.max() == 1 and stamped.min() == 0
    assert torch.equal(stamped[0], stamped[1])


def test_typographic_writes_the_target_unless_told_otherwise(images, ids):
    moon, star = Typographic(target="moon"), Typographic(target="star")
    assert not torch.equal(moon.trigger(images, ids), star.trigger(images, ids))
    assert torch.equal(Typographic(target="star", word="moon").trigger(images, ids), moon.trigger(images, ids))


def test_a_long_word_shrinks_to_the_image(images, ids):
    stamped = Typographic(word="an improbably long sentence", height=0.5).trigger(images, ids)
    columns = (stamped != images).any(dim=1).any(dim=1)[0].nonzero()
    assert columns.min() < 3 and columns.max() > 28
