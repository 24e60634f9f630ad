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


def shift_offsets(count: int, reach: int, generator: torch.Generator) -> Tensor:
    """Where each of ``count`` images is shifted to: (2, count) int64 in [0, 2 reach]."""
    return torch.randint(0, 2 * reach + 1, (2, count), generator=generator)


def shifted(images: Tensor, reach: int, offsets: Tensor) -> Tensor:
    """Each image translated by up to ``reach`` pixels in both directions, edges repeated.

    ``offsets`` (2, B) are those of ``shift_offsets``, on the device of the images.
    """
    count, _, height, width = images.shape
    padded = torch.nn.functional.pad(images, (reach,) * 4, mode="replicate")
    rows = offsets[0][:, None] + torch.arange(height, device=images.device)
    columns = offsets[1][:, None] + torch.arange(width, device=images.device)
    picked = torch.arange(count, device=images.device)
    return padded.permute(0, 2, 3, 1)[picked[:, None, None], rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def coin_flips(count: int, generator: torch.Generator) -> Tensor:
    """(count,) booleans, each true with probability one half."""
    return torch.rand(count, generator=generator) < 0.5


def mirrored(images: Tensor, flips: Tensor) -> Tensor:
    """The images flipped left to right where ``flips`` (B,), on their device, is true."""
    return torch.where(flips[:, None, None, None], images.flip(-1), images)
