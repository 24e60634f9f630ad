"""Pruning of units: what they do on images, and the model without some of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.models import ENCODE_BATCH, Clip
from benchmark.pixels import to_float
from benchmark.types import ImageSource
from benchmark.units import UnitLayer

Statistic = Callable[[Tensor], Tensor]


@contextlib.contextmanager
def observed(model: Clip, layers: Sequence[UnitLayer], see: Callable[[str, Tensor], None]) -> Iterator[None]:
    """Within the block, ``see`` gets the name of each layer and its activation, units in the last dimension."""
    handles = []
    for layer in layers:

        def hook(_module: nn.Module, _inputs: Any, output: Tensor, layer: UnitLayer = layer) -> None:
            see(layer.name, output.movedim(layer.unit_dim, -1))

        handles.append(model.module.get_submodule(layer.probe).register_forward_hook(hook))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _mean_magnitude(activation: Tensor) -> Tensor:
    return activation.abs().flatten(0, -2).mean(dim=0)


@torch.no_grad()
def unit_statistics(
    model: Clip, images: ImageSource, layers: Sequence[UnitLayer], statistic: Statistic = _mean_magnitude
) -> dict[str, Tensor]:
    """The mean over batches of a statistic of every layer's activation, by layer name, each (count,).

    Args:
        model: put into evaluation mode for the passes.
        images: whatever the units should be seen on.
        layers: with a probe.
        statistic: an activation (B, ..., count) -> (count,), a mean over its images; by default of the magnitude.
    """
    model.module.eval()
    totals: dict[str, Tensor] = {}
    for rows in torch.arange(len(images)).split(ENCODE_BATCH):

        def see(name: str, activation: Tensor, share: float = len(rows) / len(images)) -> None:
            totals[name] = totals.get(name, 0) + share * statistic(activation.float())

        with observed(model, layers, see):
            model.image_features(to_float(images[rows], model.device))
    return totals


@torch.no_grad()
def silence(model: Clip, layers: Sequence[UnitLayer], units: Mapping[str, Tensor]) -> None:
    """Removes units from the model in place; arguments as of ``pruned``."""
    parameters = dict(model.module.named_parameters())
    for layer in layers:
        gone = units.get(layer.name)
        if gone is None or not len(gone):
            continue
        entries = (gone[:, None] * layer.width + torch.arange(layer.width, device=gone.device)).flatten()
        for name, dim in layer.zeroed:
            parameters[name].index_fill_(dim, entries.to(parameters[name].device), 0.0)


def pruned(model: Clip, layers: Sequence[UnitLayer], units: Mapping[str, Tensor]) -> Clip:
    """A copy of the model without some units.

    Args:
        model: stays as it is.
        layers: those that ``units`` names, and possibly others.
        units: layer name -> indices (k,) int64 of the units to remove.
    """
    edited = model.clone()
    silence(edited, layers, units)
    edited.module.eval()
    return edited


def lowest(scores: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """The given share of every layer's units, those of the lowest score; ties go by index."""
    return {name: values.argsort(stable=True)[: round(share * len(values))] for name, values in scores.items()}
