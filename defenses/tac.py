"""Pruning by trigger-activated change (TAC, from arXiv 2208.03111), the oracle bound of unit pruning.

TAC of a unit is the norm of the change of its activation when the trigger is put on, averaged over clean images. The
units of the highest TAC are removed. It sees the trigger, so no pruning by guesswork should remove more at equal cost.

Differs from the paper: there TAC is a diagnostic of channels; here it prunes the same share of every layer of the last
residual stage or transformer block. Units of the first layers see the trigger as well but carry everything else too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from benchmark.models import ENCODE_BATCH
from benchmark.objectives import triggered
from benchmark.pixels import to_float
from benchmark.pruning import lowest, observed, pruned
from benchmark.ranges import Count, CountOrZero, Share
from benchmark.types import Point
from benchmark.units import UnitLayer, late_layers

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Attack, Context, ImageSource, Need


@torch.no_grad()
def activated_change(
    model: "Clip", images: "ImageSource", attack: "Attack", layers: list[UnitLayer]
) -> dict[str, Tensor]:
    """Layer name -> mean over images of the norm over positions of each unit's change, (count,)."""
    model.module.eval()
    totals: dict[str, Tensor] = {}
    for rows in torch.arange(len(images)).split(ENCODE_BATCH):
        pixels = to_float(images[rows], model.device)

        def see(name: str, activation: Tensor) -> None:
            clean, marked = activation.float().flatten(1, -2).chunk(2)
            totals[name] = totals.get(name, 0) + (marked - clean).norm(dim=1).sum(dim=0) / len(images)

        with observed(model, layers, see):
            model.image_features(torch.cat([pixels, triggered(attack, pixels, rows.to(model.device))]))
    return totals


@dataclass(frozen=True, kw_only=True)
class Tac:
    """Pruning by trigger-activated change; one point per share, strength = share of each layer's units removed.

    Args:
        share_max: largest share of each layer's units that is removed, in (0, 1].
        share_steps: number of points, evenly spaced from share_max / share_steps on.
        depth: how many of the last residual stages or transformer blocks are pruned; 0 means the whole tower.
    """

    share_max: Share = 0.5
    share_steps: Count = 10
    depth: CountOrZero = 1

    needs: ClassVar[frozenset["Need"]] = frozenset({"clean_images", "trigger"})

    def __call__(self, model: "Clip", context: "Context") -> Iterator[Point]:
        layers = late_layers(model, self.depth)
        change = activated_change(model.clone(), context.clean_images, context.trigger, layers)
        kept = {name: -values for name, values in change.items()}
        for step in range(1, self.share_steps + 1):
            share = self.share_max * step / self.share_steps
            yield Point(share, pruned(model, layers, lowest(kept, share)))
