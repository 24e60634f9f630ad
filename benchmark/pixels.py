"""Between 8-bit images in memory or on disk and float images in [0, 1] on a device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from benchmark.types import ImageSource


def to_float(images: Tensor, device: torch.device | None = None) -> Tensor:
    """uint8 (B, 3, H, W) -> float32 in [0, 1] on ``device``; the 8-bit values are what travels."""
    return images.to(device or images.device, non_blocking=True).float().div_(255)


def to_bytes(images: Tensor) -> Tensor:
    """Float images -> the nearest 8-bit values, clipped to [0, 1] first (published code wraps instead)."""
    return images.clamp(0, 1).mul(255).round_().to(torch.uint8)


def all_images(source: ImageSource) -> Tensor:
    """Every image of a source in memory, uint8 (N, 3, H, W)."""
    return source if isinstance(source, Tensor) else source[torch.arange(len(source))]


def shifted(images: Tensor, reach: int, generator: torch.Generator) -> Tensor:
    """Each image translated by up to ``reach`` pixels in both directions, edges repeated."""
    count, _, height, width = images.shape
    padded = torch.nn.functional.pad(images, (reach,) * 4, mode="replicate")
    offsets = torch.randint(0, 2 * reach + 1, (2, count), generator=generator).to(images.device)
    rows = offsets[0][:, None] + torch.arange(height, device=images.device)
    columns = offsets[1][:, None] + torch.arange(width, device=images.device)
    picked = torch.arange(count, device=images.device)
    return padded.permute(0, 2, 3, 1)[picked[:, None, None], rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def mirrored(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image flipped left to right with probability one half."""
    flip = torch.rand(len(images), generator=generator).to(images.device) < 0.5
    return torch.where(flip[:, None, None, None], images.flip(-1), images)
