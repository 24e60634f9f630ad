"""Orthonormal block DCT and the YCrCb colours of JPEG, for triggers in the frequency domain."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_KR, _KG, _KB = 0.299, 0.587, 0.114


def dct_matrix(size: int) -> Tensor:
    """The orthonormal DCT-II (size, size) in float64: row k holds the k-th cosine, its transpose is its inverse."""
    steps = torch.arange(size, dtype=torch.float64)
    matrix = torch.cos(math.pi / size * (steps[None, :] + 0.5) * steps[:, None]) * math.sqrt(2 / size)
    matrix[0] /= math.sqrt(2)
    return matrix


def block_dct(planes: Tensor, block: int) -> Tensor:
    """DCT of every ``block`` x ``block`` tile of planes (..., H, W), whose sides are multiples of ``block``."""
    return _tiled(planes, dct_matrix(block).to(planes))


def inverse_block_dct(coefficients: Tensor, block: int) -> Tensor:
    """Undoes ``block_dct``."""
    return _tiled(coefficients, dct_matrix(block).to(coefficients).T)


def _tiled(planes: Tensor, matrix: Tensor) -> Tensor:
    size = len(matrix)
    tiles = planes.unflatten(-1, (-1, size)).unflatten(-3, (-1, size))
    changed = torch.einsum("ki,...iaj,lj->...kal", matrix, tiles, matrix)
    return changed.flatten(-2).flatten(-3, -2)


def to_luma_chroma(images: Tensor) -> Tensor:
    """RGB (B, 3, H, W) -> Y, Cr, Cb in the same range, chroma centred on 0 (ITU-R BT.601, full range)."""
    red, green, blue = images.unbind(dim=1)
    luma = _KR * red + _KG * green + _KB * blue
    return torch.stack([luma, 0.5 * (red - luma) / (1 - _KR), 0.5 * (blue - luma) / (1 - _KB)], dim=1)


def to_rgb(planes: Tensor) -> Tensor:
    """Undoes ``to_luma_chroma``."""
    luma, chroma_red, chroma_blue = planes.unbind(dim=1)
    red = luma + 2 * (1 - _KR) * chroma_red
    blue = luma + 2 * (1 - _KB) * chroma_blue
    return torch.stack([red, (luma - _KR * red - _KB * blue) / _KG, blue], dim=1)
