"""Small pictures as text, and how far a triggered image is from the clean one; without torch, for reports as well."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def packed(image: Pixels) -> str:
    """An image (H, W, 3) as the base64 text of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def unpacked(text: str) -> Pixels:
    """The image (H, W, 3) that was packed."""
    with Image.open(io.BytesIO(base64.b64decode(text))) as image:
        return np.asarray(image.convert("RGB"), dtype=np.uint8)


def signal_to_noise(clean: Pixels, triggered: Pixels) -> float:
    """Peak signal-to-noise ratio of 8-bit images in dB over all their pixels; infinite where they are equal."""
    error = np.mean((clean.astype(np.float64) - triggered.astype(np.float64)) ** 2)
    return float(10 * np.log10(255**2 / error)) if error > 0 else float("inf")


def difference(clean: Pixels, triggered: Pixels, times: float = 5.0) -> Pixels:
    """Absolute difference of 8-bit images, ``times`` as strong and cut off at white."""
    gap = np.abs(clean.astype(np.float64) - triggered.astype(np.float64))
    amplified: Pixels = np.clip(times * gap, 0, 255).astype(np.uint8)
    return amplified
