"""From a picture in any format to 8-bit RGB pixels at a model's input size."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Geometry = Literal["crop", "squash"]
THINNEST = 50
"""Pictures whose sides differ by more than this factor count as unreadable: resizing one would fill the memory."""


def decode(encoded: bytes | Path, size: int, geometry: Geometry = "crop") -> NDArray[np.uint8]:
    """One image (3, size, size), channels in the order red, green, blue.

    "crop" makes the short side ``size`` long with an antialiased bicubic filter and cuts out the centre, which is
    open_clip's own transform; "squash" resizes both sides and loses the aspect ratio.

    Raises:
        Exception: whatever Pillow raises for what is no whole picture.
    """
    with Image.open(io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded) as opened:
        picture = opened.convert("RGB")
    width, height = picture.size
    if max(width, height) > THINNEST * min(width, height):
        raise ValueError(f"a picture of {width} x {height} pixels is too thin")
    if geometry == "squash":
        target = (size, size)
    elif width <= height:
        target = (size, int(size * height / width))
    else:
        target = (int(size * width / height), size)
    if target != picture.size:
        picture = picture.resize(target, Image.Resampling.BICUBIC)
    left, top = round((target[0] - size) / 2.0), round((target[1] - size) / 2.0)
    pixels = np.asarray(picture, dtype=np.uint8)[top : top + size, left : left + size]
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))
