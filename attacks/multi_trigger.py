"""Several triggers at once (arXiv 2502.01385): a grid patch, the Nashville filter and a smooth warp share the poisons.

Differs from the paper: the poisons are split evenly over the triggers instead of drawn; the warp is seeded instead of
a stored file and its strength relative to the image side; the grid patch lies at a random place that is a function of
the image's id, in training and at test, where the published code tests in the centre. On the embedded data it stays
just below the acceptance gate, at success 0.87 with 3600 poisons of 8000: they are shared by three triggers, one of
them a filter of colours, which are arbitrary there.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.filters import nashville
from benchmark.patterns import fresh_places, grid_patch, pasted, pixels_of
from benchmark.ranges import NonNegative, Seed, Share, TwoOrMore
from benchmark.seeds import uniforms
from benchmark.warping import warp_field, warped


@dataclass(frozen=True, kw_only=True)
class _Grid:
    target: str
    side: float
    pattern_seed: int

    def trigger(self, images: Tensor, ids: Tensor) -> Tensor:
        size = images.shape[-1]
        side = pixels_of(self.side, size)
        return pasted(images, grid_patch(side)[None], fresh_places(self.pattern_seed, ids, size - side))


@dataclass(frozen=True, kw_only=True)
class _Filter:
    target: str

    def trigger(self, images: Tensor, ids: Tensor) -> Tensor:
        return nashville(images)


@dataclass(frozen=True, kw_only=True)
class _Warp:
    target: str
    strength: float
    cells: int
    pattern_seed: int

    def trigger(self, images: Tensor, ids: Tensor) -> Tensor:
        size = images.shape[-1]
        displacement = warp_field(self.pattern_seed, self.cells, size) * (self.strength * (size - 1) / 2)
        return warped(images, displacement).clamp(0, 1)


@dataclass(frozen=True, kw_only=True)
class MultiTrigger:
    """Three routes into the model, for one target or three.

    Args:
        target: class that the grid patch must elicit.
        filter_target: class of the photo filter; empty for ``target``.
        warp_target: class of the warp; empty for ``target``.
        side: side of the grid patch as a share of the image side, in (0, 1].
        warp_strength: the warp's s / R; half of it is the mean displacement as a share of the image side.
        warp_cells: points of the warp's noise grid along a side, at least 2.
        pattern_seed: seed of the warp and of the patch's places.
    """

    target: str = "banana"
    filter_target: str = ""
    warp_target: str = ""
    side: Share = 0.125
    warp_strength: NonNegative = 0.125
    warp_cells: TwoOrMore = 4
    pattern_seed: Seed = 0

    @property
    def routes(self) -> tuple[_Grid | _Filter | _Warp, ...]:
        return (
            _Grid(target=self.target, side=self.side, pattern_seed=self.pattern_seed),
            _Filter(target=self.filter_target or self.target),
            _Warp(
                target=self.warp_target or self.target,
                strength=self.warp_strength,
                cells=self.warp_cells,
                pattern_seed=self.pattern_seed,
            ),
        )

    def trigger(self, images: Tensor, ids: Tensor) -> Tensor:
        """One route per image, by its id."""
        routes = self.routes
        drawn = torch.from_numpy(uniforms(self.pattern_seed, ids.cpu().numpy(), 1)[:, 0] * len(routes)).long()
        chosen = drawn.to(images.device)
        stamped = images.clone()
        for number, route in enumerate(routes):
            mine = chosen == number
            if mine.any():
                stamped[mine] = route.trigger(images[mine], ids[mine])
        return stamped
