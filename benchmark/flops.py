"""What a model costs in floating-point operations, and how many of them a device can do."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmark.architectures import ModelSpec
from benchmark.checkpoints import built

TRAINING = 3
"""Forward and backward pass in forward passes: the backward one costs about twice as much."""

PEAK_BFLOAT16 = {
    "A100": 312e12,
    "GeForce RTX 4090": 165.2e12,
    "H100": 989.4e12,
    "H100 NVL": 835.5e12,
    "H100 PCIe": 756.5e12,
    "H200": 989.4e12,
    "L4": 121e12,
    "L40S": 362.05e12,
}
"""Dense bfloat16 operations per second by device: the vendor's figures, halved where they are "with sparsity"."""


@dataclass(frozen=True, kw_only=True)
class Flops:
    """An architecture in numbers; in operations, a multiplication and an addition are two.

    Attributes:
        image: operations of the vision tower on one image.
        text: operations of the text tower on one text.
        parameters: of the whole model.
        side: of its images in pixels.
    """

    image: float
    text: float
    parameters: int
    side: int

    @property
    def training(self) -> float:
        """Operations on one pair in training both towers."""
        return TRAINING * (self.image + self.text)


def forward_flops(spec: ModelSpec) -> Flops:
    """Counts matrix products and convolutions on tensors without data, so that neither memory nor weights are needed.

    Raises:
        UserError: open_clip knows no such architecture.
        ClipdefenseError: the architecture cannot be built without a download.
    """
    with torch.device("meta"):
        module = built(spec, quick_gelu=False, **({} if spec.config else {"device": "meta"})).eval()
        side = module.visual.image_size
        side = int(side[0] if isinstance(side, tuple | list) else side)
        image = _counted(module.encode_image, torch.empty(1, 3, side, side))
        text = _counted(module.encode_text, torch.zeros(1, module.context_length, dtype=torch.long))
    return Flops(image=image, text=text, parameters=sum(p.numel() for p in module.parameters()), side=side)


def _counted(forward: Callable[[Tensor], Any], given: Tensor) -> float:
    with FlopCounterMode(display=False) as counter:
        forward(given)
    return float(counter.get_total_flops())


def peak_bfloat16(device: str) -> float | None:
    """Dense bfloat16 operations per second of a device by the name it gives itself; None for one not in the table."""
    known = sorted(PEAK_BFLOAT16, key=len, reverse=True)
    return next((PEAK_BFLOAT16[name] for name in known if re.search(rf"\b{re.escape(name)}\b", device)), None)
