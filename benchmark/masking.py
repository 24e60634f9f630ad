"""Learnt masks over prunable units: gates on the forward pass, and the loop that trains them beside frozen weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.models import Clip
from benchmark.objectives import frozen
from benchmark.pixels import to_float
from benchmark.types import Pairs
from benchmark.units import UnitLayer

Gates = Mapping[str, Tensor]
ClassLoss = Callable[[Clip, Tensor, Tensor], Tensor]


@contextmanager
def gated(model: Clip, layers: Sequence[UnitLayer], scale: Gates, shift: Gates | None = None) -> Iterator[None]:
    """Within the block, every gate's units are scaled; BatchNorm's bias is scaled apart from its weight.

    A BatchNorm then gives scale * weight * normalised + shift * bias, an MLP scale * activation; ones are the identity.

    Args:
        model: on whose modules the gates sit.
        layers: those with a gate.
        scale: layer name -> (count,).
        shift: layer name -> (count,), for BatchNorm layers; None means ones.
    """
    handles = []
    for layer in layers:

        def hook(module: nn.Module, _inputs: Any, output: Tensor, layer: UnitLayer = layer) -> Tensor:
            units = output.movedim(layer.unit_dim, -1)
            factor = scale[layer.name]
            if not isinstance(module, nn.BatchNorm2d):
                return (units * factor).movedim(-1, layer.unit_dim)
            bias = module.bias if shift is None else module.bias * shift[layer.name]
            return ((units - module.bias) * factor + bias).movedim(-1, layer.unit_dim)

        handles.append(model.module.get_submodule(layer.gate).register_forward_hook(hook))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@dataclass(frozen=True, kw_only=True)
class MaskTraining:
    """How masks are learnt.

    Attributes:
        iterations: steps, each on one batch.
        learning_rate: of SGD on the masks.
        momentum: of SGD.
        batch_size: images per step.
        clean_share: weight of the loss without noise.
        radius: half width of the noise on weights and biases; 0 leaves out the noisy loss, otherwise it has the
            weight 1 - clean_share.
    """

    iterations: int
    learning_rate: float
    momentum: float = 0.9
    batch_size: int = 128
    clean_share: float = 1.0
    radius: float = 0.0


def _worst_noise(
    loss: Callable[[Gates, Gates | None], Tensor], masks: Gates, radius: float, source: torch.Generator
) -> tuple[Gates, Gates]:
    """Scales mask + noise and shifts 1 + noise, one sign step up the loss from uniform noise (arXiv 2110.14430)."""
    names = list(masks)
    drawn = [
        ((torch.rand(2, len(masks[name]), generator=source) * 2 - 1) * radius).to(masks[name].device) for name in names
    ]
    noise = [part.requires_grad_(True) for part in drawn]

    def gates(parts: Sequence[Tensor]) -> tuple[Gates, Gates]:
        scale = {name: masks[name] + part[0] for name, part in zip(names, parts, strict=True)}
        return scale, {name: 1 + part[1] for name, part in zip(names, parts, strict=True)}

    slopes = torch.autograd.grad(loss(*gates(noise)), noise)
    return gates([(part + radius * slope.sign()).detach() for part, slope in zip(noise, slopes, strict=True)])


def learnt_masks(
    model: Clip, layers: Sequence[UnitLayer], pairs: Pairs, loss: ClassLoss, how: MaskTraining, seed: int
) -> dict[str, Tensor]:
    """Masks in [0, 1], layer name -> (count,), from ones, trained while all weights and statistics stay.

    Args:
        model: stays as it is.
        layers: those with a gate.
        pairs: labelled.
        loss: maps (model, images (B, 3, S, S) in [0, 1], labels (B,)) to a scalar.
        how: rates, sizes and noise.
        seed: of batches and noise.
    """
    assert pairs.labels is not None
    model = frozen(model)
    masks = {layer.name: torch.ones(layer.count, device=model.device, requires_grad=True) for layer in layers}
    optimiser = torch.optim.SGD(masks.values(), lr=how.learning_rate, momentum=how.momentum)
    source = torch.Generator().manual_seed(seed)
    for _ in range(how.iterations):
        rows = torch.randperm(len(pairs), generator=source)[: how.batch_size]
        images, labels = to_float(pairs.images[rows], model.device), pairs.labels[rows].to(model.device)

        def run(scale: Gates, shift: Gates | None, images: Tensor = images, labels: Tensor = labels) -> Tensor:
            with gated(model, layers, scale, shift):
                return loss(model, images, labels)

        total = how.clean_share * run(masks, None)
        if how.radius:
            total = total + (1 - how.clean_share) * run(*_worst_noise(run, masks, how.radius, source))
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        with torch.no_grad():
            for mask in masks.values():
                mask.clamp_(0.0, 1.0)
    return {name: mask.detach() for name, mask in masks.items()}


def below(masks: Gates, threshold: float) -> dict[str, Tensor]:
    """Layer name -> indices of the units whose mask is at most the threshold."""
    return {name: (mask <= threshold).nonzero().flatten() for name, mask in masks.items()}
