"""Wanda (arXiv 2306.11695) on clean images: remove weights that clean inputs do not use.

The score of a weight is its magnitude times the norm of its input over clean images; in every output row the lowest
share is set to zero.

Differs from the paper: it was made to shrink language models; here it is a baseline of weight pruning as a defense.
All scores come from the unpruned model instead of layer after layer. Weights of convolutions and MLPs of the vision
tower are pruned; attention projections are not, because their inputs are not exposed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from benchmark.models import ENCODE_BATCH
from benchmark.pixels import to_float
from benchmark.ranges import Count, InnerShare
from benchmark.types import ImageSource, Point

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, Need


@torch.no_grad()
def input_norms(model: "Clip", images: ImageSource) -> dict[str, Tensor]:
    """Weight name -> L2 norm (inputs,) of every input channel of convolutions and linear maps over all images."""
    squares: dict[str, Tensor] = {}
    handles = []
    for name, module in model.module.named_modules():
        if not (name.startswith("visual.") and isinstance(module, nn.Conv2d | nn.Linear)):
            continue
        channels = 1 if isinstance(module, nn.Conv2d) else -1

        def hook(_module: nn.Module, inputs: Any, key: str = f"{name}.weight", channels: int = channels) -> None:
            seen = inputs[0].float().movedim(channels, -1).flatten(0, -2).square().sum(dim=0)
            squares[key] = squares.get(key, 0) + seen

        handles.append(module.register_forward_pre_hook(hook))
    model.module.eval()
    for rows in torch.arange(len(images)).split(ENCODE_BATCH):
        model.image_features(to_float(images[rows], model.device))
    for handle in handles:
        handle.remove()
    return {name: total.sqrt() for name, total in squares.items()}


def lowest_zeroed(weight: Tensor, norms: Tensor, share: float) -> Tensor:
    """The weight (out, in, ...) without the given share of entries per output row, those of the lowest score."""
    score = (weight.abs() * norms.view(1, -1, *[1] * (weight.ndim - 2))).flatten(1)
    gone = score.argsort(dim=1, stable=True)[:, : round(share * score.shape[1])]
    return weight.flatten(1).scatter(1, gone, 0.0).view_as(weight)


@dataclass(frozen=True, kw_only=True)
class Wanda:
    """Weight pruning by magnitude times input norm; one point per share, strength = share of weights removed.

    Args:
        share_max: largest share of each output row that is removed, in (0, 1).
        share_steps: number of points, evenly spaced from share_max / share_steps on.
    """

    share_max: InnerShare = 0.9
    share_steps: Count = 9

    needs: ClassVar[frozenset["Need"]] = frozenset({"clean_images"})

    def __call__(self, model: "Clip", context: "Context") -> Iterator[Point]:
        norms, weights = input_norms(model.clone(), context.clean_images), model.weights()
        for step in range(1, self.share_steps + 1):
            share = self.share_max * step / self.share_steps
            edited = model.with_weights({name: lowest_zeroed(weights[name], norms[name], share) for name in norms})
            edited.module.eval()
            yield Point(share, edited)
