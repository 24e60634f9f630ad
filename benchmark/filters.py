"""Photo filters as exact 8-bit arithmetic."""

from __future__ import annotations

import torch
from torch import Tensor

_WARM, _NAVY = (247.0, 176.0, 153.0), (0.0, 70.0, 150.0)
_SEPIA_FULL = ((0.393, 0.769, 0.189), (0.349, 0.686, 0.168), (0.272, 0.534, 0.131))
_LUMINANCE = (0.213, 0.715, 0.072)


def _sepia(amount: float) -> Tensor:
    return (1 - amount) * torch.eye(3) + amount * torch.tensor(_SEPIA_FULL)


def _saturation(factor: float) -> Tensor:
    return factor * torch.eye(3) + (1 - factor) * torch.tensor(_LUMINANCE).expand(3, 3)


def _whole(pixels: Tensor) -> Tensor:
    return pixels.round().clamp(0, 255)


def _mixed(images: Tensor, matrix: Tensor) -> Tensor:
    """Every output channel as a weighted sum of the input channels; elementwise, so that batches do not matter."""
    red, green, blue = images.unbind(dim=1)
    rows = [weights[0] * red + weights[1] * green + weights[2] * blue for weights in matrix.tolist()]
    return torch.stack(rows, dim=1)


def _blend(share: float, over: Tensor, under: Tensor) -> Tensor:
    alpha = round(share * 255) / 255
    return alpha * over + (1 - alpha) * under


def nashville(images: Tensor) -> Tensor:
    """The Nashville filter as the library pilgram composes it, on images (B, 3, H, W) in [0, 1].

    Darken towards a warm tone (0.56), lighten towards navy (0.40), sepia 0.2, contrast 1.2, brightness 1.05 and
    saturation 1.2, each step rounded to 8 bits.
    """
    pixels = _whole(images * 255)
    warm, navy = (pixels.new_tensor(tone).view(1, 3, 1, 1) for tone in (_WARM, _NAVY))
    pixels = _whole(_blend(0.56, torch.minimum(pixels, warm), pixels))
    pixels = _whole(_blend(0.40, torch.maximum(pixels, navy), pixels))
    pixels = _whole(_mixed(pixels, _sepia(0.2)))
    pixels = _whole(1.2 * (pixels - 127.5) + 127.5)
    pixels = _whole(1.05 * pixels)
    return _whole(_mixed(pixels, _saturation(1.2))) / 255
