"""A small image-to-image network that starts near the identity, and the trigger that applies one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


def _shapes(width: int) -> tuple[tuple[int, ...], ...]:
    return (
        (width, 3, 3, 3),
        (2 * width, width, 3, 3),
        (2 * width, 2 * width, 3, 3),
        (width, 2 * width, 3, 3),
        (3, width, 3, 3),
    )


def initial_weights(width: int, seed: int) -> Tensor:
    """Flat weights drawn from a seed, of a network that nearly returns its input."""
    source, parts = torch.Generator().manual_seed(seed), []
    for shape in _shapes(width):
        parts.append(torch.randn(shape, generator=source) * math.sqrt(2 / math.prod(shape[1:])))
    parts[-1].mul_(0.05)  # exactly zero would leave a loss that grows with the change without a gradient
    return torch.cat([part.flatten() for part in parts])


def generated(images: Tensor, weights: Tensor, width: int) -> Tensor:
    """Images (B, 3, H, W) through two scales of convolutions with a skip, added to the images; not clipped.

    Args:
        images: of any size.
        weights: flat, as of ``initial_weights``.
        width: channels at full resolution.
    """
    shapes = _shapes(width)
    flat = weights.split([math.prod(shape) for shape in shapes])
    first, down, middle, up, last = (part.view(shape) for part, shape in zip(flat, shapes, strict=True))
    fine = functional.relu(functional.conv2d(images - 0.5, first, padding=1))
    coarse = functional.relu(functional.conv2d(fine, down, stride=2, padding=1))
    coarse = functional.relu(functional.conv2d(coarse, middle, padding=1))
    wide = functional.interpolate(coarse, size=images.shape[-2:], mode="nearest")
    return images + functional.conv2d(functional.relu(functional.conv2d(wide, up, padding=1)) + fine, last, padding=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class LearntGenerator:
    """A trigger that changes every image by a learnt network.

    Args:
        target: class that it elicits, as inferred.
        weights: flat weights of the network.
        width: channels of the network at full resolution.
    """

    target: str
    weights: Tensor
    width: int

    @torch.no_grad()
    def trigger(self, images: Tensor, ids: Tensor) -> Tensor:
        return generated(images, self.weights.to(images), self.width).clamp(0, 1)
