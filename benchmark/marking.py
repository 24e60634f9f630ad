"""Which pairs an attack poisoned: the record that detectors are judged by."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.types import Pairs

_BATCH = 1024


def marked(before: Pairs, after: Pairs) -> Tensor:
    """Which pairs (n,) differ in a pixel or in the caption; both hold the same pairs in the same order.

    It asks no attack for its rule, so that it is exact for all of them: what is as it was is not poisoned.
    """
    images = [
        (before.images[rows] != after.images[rows]).flatten(1).any(dim=1)
        for rows in torch.arange(len(before)).split(_BATCH)
    ]
    captions = [old != new for old, new in zip(before.captions, after.captions, strict=True)]
    return torch.cat(images) | torch.tensor(captions)
