"""AutoAugment (arXiv 1805.09501) on batches of float images, drawn from an explicit seed."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.transforms.v2 import AutoAugment

from benchmark.pixels import to_bytes, to_float


def auto_augmented(images: Tensor, seed: int, group: int = 1) -> Tensor:
    """AutoAugment's ImageNet policy on 8-bit copies of the images.

    Args:
        images: (B, 3, H, W) float in [0, 1].
        seed: fixes every draw; the global generator is left as it was.
        group: how many consecutive images share one draw of sub-policy and signs; 1 is the published policy, more is
            faster.

    Returns:
        Images of the same shape and range, quantised to 8 bit, without gradients.
    """
    policy = AutoAugment()
    pixels = to_bytes(images.detach())
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reseed every GPU as well
        return to_float(torch.cat([policy(chunk) for chunk in pixels.split(group)]))
