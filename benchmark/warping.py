"""Image warps: displacement fields from noise on a coarse grid, and bilinear resampling along them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def warp_field(seed: int, cells: int, size: int) -> Tensor:
    """WaNet's noise field (2, size, size), horizontal part first, before it is scaled (arXiv 2102.10369).

    Uniform noise in [-1, 1] on ``cells`` x ``cells`` points, divided by its mean absolute value and enlarged
    bicubically with aligned corners; ``cells`` equal to ``size`` leaves independent jitter per pixel.
    """
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 2, cells, cells, generator=generator) * 2 - 1
    coarse = coarse / coarse.abs().mean()
    return functional.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=True)[0]


def warped(images: Tensor, displacement: Tensor) -> Tensor:
    """Every image (B, 3, H, W) read bilinearly at its pixel grid plus ``displacement`` (2, H, W) in pixels.

    The horizontal part comes first. Places outside are clamped to the border. No displacement is the identity to the
    last bit, which ``grid_sample`` does not guarantee.
    """
    height, width = images.shape[-2:]
    shift = displacement.to(images)
    columns = (torch.arange(width).to(shift) + shift[0]).clamp(0, width - 1)
    rows = (torch.arange(height).to(shift)[:, None] + shift[1]).clamp(0, height - 1)
    left, top = columns.floor().long(), rows.floor().long()
    right, bottom = (left + 1).clamp(max=width - 1), (top + 1).clamp(max=height - 1)
    across, down = columns - left, rows - top
    upper = torch.lerp(images[:, :, top, left], images[:, :, top, right], across)
    lower = torch.lerp(images[:, :, bottom, left], images[:, :, bottom, right], across)
    return torch.lerp(upper, lower, down)
