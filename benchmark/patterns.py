"""Building blocks of triggers: noise that belongs to an image's id, random places, low-resolution patterns, pasting."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmark.seeds import derive, uniforms

_DRAWS_PER_WORD = 4


def fresh_noise(seed: int, ids: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Uniform noise in (0, 1) for every image, float32 (B, *shape) on the CPU, in steps of 2**-16.

    Row i is a function of (seed, ids[i], shape) alone: the stream of a counter-based Philox generator
    (doi:10.1145/2063384.2063405) keyed by both, the same on every machine.
    """
    count = math.prod(shape)
    noise = np.empty((len(ids), count), dtype=np.float32)
    key = np.array([derive("fresh noise", seed), 0], dtype=np.uint64)
    for row, identifier in enumerate(ids.cpu().numpy().astype(np.uint64)):
        key[1] = identifier
        words = np.random.Philox(key=key).random_raw(-(-count // _DRAWS_PER_WORD))
        noise[row] = words.astype("<u8", copy=False).view("<u2")[:count]
    noise += 0.5
    noise /= 65536
    return torch.from_numpy(noise).view(len(ids), *shape)


def fresh_places(seed: int, ids: Tensor, room: int) -> Tensor:
    """Rows and columns drawn uniformly from 0 .. ``room`` for every image: (B, 2) int64 on the CPU."""
    drawn = uniforms(derive("places", seed), ids.cpu().numpy(), 2)
    return torch.from_numpy((drawn * (room + 1)).astype(np.int64))


def pasted(images: Tensor, patches: Tensor, places: Tensor) -> Tensor:
    """Copies of the images (B, 3, H, W) with patches (B or 1, 3, S, S) at places (B or 1, 2) = top and left."""
    side = patches.shape[-1]
    offsets = torch.arange(side, device=images.device)
    places = places.to(images.device)
    rows = (places[:, :1] + offsets)[:, None, :, None]
    columns = (places[:, 1:] + offsets)[:, None, None, :]
    picked = torch.arange(len(images), device=images.device)[:, None, None, None]
    channels = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
    stamped = images.clone()
    stamped[picked, channels, rows, columns] = patches.to(images).expand(len(images), -1, -1, -1)
    return stamped


def noise_patched(images: Tensor, ids: Tensor, seed: int, side: int, deviation: float) -> Tensor:
    """Copies of the images with a square of Gaussian noise around their mean colour, noise and place drawn by id."""
    normal = torch.special.ndtri(fresh_noise(seed, ids, (3, side, side))).to(images)
    patches = (images.mean(dim=(2, 3), keepdim=True) + deviation * normal).clamp(0, 1)
    return pasted(images, patches, fresh_places(seed, ids, images.shape[-1] - side))


def binary_patch(seed: int, side: int) -> Tensor:
    """A fixed patch (3, side, side) whose values are 0 or 1 at random."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(3, side, side, generator=generator) < 0.5).float()


def low_resolution_pattern(seed: int, cells: int, size: int) -> Tensor:
    """A fixed coloured pattern (3, size, size) in [0, 1]: a grid of cells of saturated colours, bilinearly enlarged.

    Stands in for the copyrighted pictures that published blends use.
    """
    generator = torch.Generator().manual_seed(seed)
    coarse = (torch.rand(1, 3, cells, cells, generator=generator) < 0.5).float()
    fine = functional.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=False)
    return fine[0].clamp(0, 1)


def blended(images: Tensor, pattern: Tensor, alpha: float) -> Tensor:
    """(1 - alpha) * image + alpha * pattern, in [0, 1]; an alpha of 0 returns equal pixels."""
    return torch.lerp(images, pattern.to(images).expand_as(images), alpha).clamp(0, 1)


def grid_patch(side: int) -> Tensor:
    """A patch (3, side, side) that is white where row and column are even and black elsewhere (arXiv 2502.01385)."""
    patch = torch.zeros(3, side, side)
    patch[:, ::2, ::2] = 1.0
    return patch


def pixels_of(share: float, size: int) -> int:
    """A share of the image side as whole pixels, at least one."""
    return max(1, round(share * size))
