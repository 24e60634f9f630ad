"""Weighted means of whole models: parameters and BatchNorm statistics alike, unlike task vectors."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from benchmark.errors import ClipdefenseError
from benchmark.models import Clip


def averaged(models: Sequence[Clip], shares: Sequence[float]) -> Clip:
    """The model whose weights are the weighted mean of the given ones; counters are those of the first.

    Means of running variances stay positive as long as no share is negative.

    Args:
        models: of one architecture; the first gives the specification.
        shares: one per model, none negative, summing to 1.

    Raises:
        ClipdefenseError: the architectures differ.
    """
    first, weights = models[0], [model.weights() for model in models]
    shapes = [{name: value.shape for name, value in entry.items()} for entry in weights]
    if any(other != shapes[0] for other in shapes):
        raise ClipdefenseError("weights of different architectures cannot be averaged; give models of one kind")
    mean = {}
    for name, value in weights[0].items():
        if value.is_floating_point():
            parts = [
                share * entry[name].to(value.device, torch.float32)
                for entry, share in zip(weights, shares, strict=True)
            ]
            mean[name] = torch.stack(parts).sum(dim=0).to(value.dtype)
    result = first.with_weights(mean)
    result.module.eval()
    return result
