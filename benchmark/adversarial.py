"""Adversarial images: gradient ascent inside a small box around each image."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Objective = Callable[[Tensor], Tensor]


def ascended(
    images: Tensor, objective: Objective, *, start: Tensor, radius: float, step_size: float, steps: int
) -> Tensor:
    """Images (B, 3, H, W) moved by sign steps that raise the objective, each pixel by at most ``radius``.

    Args:
        images: where to start from; detached.
        objective: perturbed images -> a scalar to be raised.
        start: the first perturbation, of the images' shape.
        radius: half the side of the box, in units of the pixel range [0, 1].
        step_size: length of a step in each pixel.
        steps: number of steps.

    Returns:
        The perturbed images, detached, not clipped to [0, 1]. Weights get no gradient.
    """
    images, delta = images.detach(), start.detach().clamp(-radius, radius)
    for _ in range(steps):
        delta = delta.detach().requires_grad_(True)
        (slope,) = torch.autograd.grad(objective(images + delta), [delta])
        delta = (delta + step_size * slope.sign()).clamp(-radius, radius)
    return images + delta.detach()
