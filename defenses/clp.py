"""CLP, channel Lipschitzness pruning (arXiv 2208.03111): remove units that can amplify their input unusually much.

Needs no data. A convolution's channel is bounded by the largest singular value of its kernel times |weight| / sqrt(var)
of the BatchNorm behind it; channels above mean + u * deviation of their layer are removed.

Differs from the paper: every u is a point instead of the paper's 3. For a ViT, to which the paper does not apply,
hidden units are bounded by the norms of their incoming weights (with the LayerNorm's) and outgoing weights, and heads
by the largest singular value of output times value projection.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from benchmark.pruning import pruned
from benchmark.ranges import Count, Positive
from benchmark.types import Point
from benchmark.units import UnitLayer, channel_layers, head_layers, hidden_layers, is_resnet

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, Need


def channel_bounds(model: "Clip", layer: UnitLayer) -> Tensor:
    """Lipschitz bounds (count,) of a convolution's channels."""
    norm = model.module.get_submodule(layer.name)
    kernel = model.module.get_submodule(layer.source).weight
    return torch.linalg.matrix_norm(kernel.flatten(2), ord=2) * norm.weight.abs() / norm.running_var.sqrt()


def hidden_bounds(model: "Clip", layer: UnitLayer) -> Tensor:
    """Bounds (count,) of an MLP's hidden units."""
    mlp = model.module.get_submodule(layer.name)
    gain = model.module.get_submodule(layer.name.removesuffix(".mlp")).ln_2.weight
    return (mlp.c_fc.weight * gain).norm(dim=1) * mlp.c_proj.weight.norm(dim=0)


def head_bounds(model: "Clip", layer: UnitLayer) -> Tensor:
    """Bounds (count,) of an attention's heads."""
    attention = model.module.get_submodule(layer.name)
    gain = model.module.get_submodule(layer.name.removesuffix(".attn")).ln_1.weight
    value = (attention.in_proj_weight.chunk(3)[2] * gain).unflatten(0, (layer.count, layer.width))
    output = attention.out_proj.weight.unflatten(1, (layer.count, layer.width)).movedim(1, 0)
    return torch.linalg.matrix_norm(output @ value, ord=2)


@dataclass(frozen=True, kw_only=True)
class Clp:
    """Data-free pruning by Lipschitz bounds; one point per u from large to small, strength = 1 / u.

    Args:
        u_max: the mildest cut, in standard deviations of a layer's bounds, above 0.
        u_min: the harshest cut, above 0.
        steps: number of points, evenly spaced in u.
    """

    u_max: Positive = 5.0
    u_min: Positive = 1.0
    steps: Count = 9

    needs: ClassVar[frozenset["Need"]] = frozenset()

    @staticmethod
    @torch.no_grad()
    def bounds(model: "Clip") -> list[tuple[UnitLayer, Tensor]]:
        """Every layer with the bounds of its units."""
        if is_resnet(model):
            return [(layer, channel_bounds(model, layer)) for layer in channel_layers(model)]
        hidden = [(layer, hidden_bounds(model, layer)) for layer in hidden_layers(model)]
        return hidden + [(layer, head_bounds(model, layer)) for layer in head_layers(model)]

    def __call__(self, model: "Clip", context: "Context") -> Iterator[Point]:
        found = self.bounds(model)
        layers = [layer for layer, _ in found]
        for step in range(self.steps):
            u = self.u_max - (self.u_max - self.u_min) * step / max(1, self.steps - 1)
            units = {layer.name: (b > b.mean() + u * b.std()).nonzero().flatten() for layer, b in found}
            yield Point(1 / u, pruned(model, layers, units))
