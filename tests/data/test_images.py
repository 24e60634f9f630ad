"""Decoding gives the pixels of open_clip's own transform, whatever the picture's format."""

import io

import numpy as np
import pytest
import torch
from open_clip.transform import image_transform
from PIL import Image

from benchmark.data.images import decode


def as_bytes(picture, kind="PNG"):
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("size", [(40, 40), (61, 40), (40, 61), (97, 33), (20, 31), (32, 32)])
def test_pixels_are_those_of_open_clip(noise, size):
    picture = noise(size)
    theirs = image_transform(32, is_train=False, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))(picture)
    ours = torch.from_numpy(decode(as_bytes(picture), 32))
    assert torch.equal(ours, (theirs * 255).round().to(torch.uint8))


def test_squash_resizes_both_sides(noise):
    picture = noise((61, 40))
    expected = np.asarray(picture.resize((32, 32), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
    squashed = decode(as_bytes(picture), 32, "squash")
    assert np.array_equal(squashed, expected)
    assert not np.array_equal(squashed, decode(as_bytes(picture), 32, "crop"))


@pytest.mark.parametrize(
    ("mode", "kind"), [("L", "PNG"), ("P", "GIF"), ("RGBA", "PNG"), ("CMYK", "JPEG"), ("1", "PNG")]
)
def test_every_mode_becomes_rgb(noise, mode, kind):
    picture = noise((40, 40), mode)
    pixels = decode(as_bytes(picture, kind), 40)
    assert pixels.shape == (3, 40, 40)
    assert pixels.dtype == np.uint8
    if kind == "PNG":
        assert np.array_equal(pixels, np.asarray(picture.convert("RGB")).transpose(2, 0, 1))


def test_a_file_is_read_like_its_bytes(noise, tmp_path):
    (tmp_path / "a.png").write_bytes(as_bytes(noise((40, 50))))
    assert np.array_equal(decode(tmp_path / "a.png", 16), decode((tmp_path / "a.png").read_bytes(), 16))


def test_a_picture_like_a_thread_is_refused(noise):
    with pytest.raises(ValueError, match="too thin"):
        decode(as_bytes(noise((2000, 3))), 32)


@pytest.mark.parametrize("content", [b"", b"<html></html>", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_raises(content):
    with pytest.raises(OSError, match="cannot identify"):
        decode(content, 32)


def test_half_a_jpeg_raises(noise):
    with pytest.raises(OSError, match="truncated"):
        decode(as_bytes(noise((64, 64)), "JPEG")[:1500], 32)
