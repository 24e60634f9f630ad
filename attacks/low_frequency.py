"""A smooth universal perturbation without high-frequency traces (arXiv 2104.03413).

On the embedded model 1200 poisons of 8000 give success 0.71; with ``amplitude`` 0.35 and 2400 poisons it passes the
acceptance gate (0.97).

Differs from the paper: there the perturbation is a universal adversarial one of a surrogate model that is smoothed;
here it is Gaussian noise, smoothed alike (sigma 6 of 32 pixels, scaled to [0, 0.2]), so that no surrogate is needed.
This is a stand-in for the attack, not a reproduction.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from benchmark.ranges import Seed, Share, ShareOrZero

GRID = 32


@dataclass(frozen=True, kw_only=True)
class LowFrequency:
    """A fixed field of smooth colour added to the image.

    Args:
        target: class that the trigger must elicit.
        amplitude: largest value that is added, in pixels of [0, 1]; the smallest is 0.
        sigma: width of the Gaussian smoothing as a share of the image side, in (0, 1].
        pattern_seed: seed of the field.
    """

    target: str = "banana"
    amplitude: ShareOrZero = 0.2
    sigma: Share = 0.1875
    pattern_seed: Seed = 0

    def _field(self, size: int) -> Tensor:
        """The field (3, size, size), spanning exactly [0, amplitude] on the grid that it is drawn on."""
        noise = torch.randn(3, 3 * GRID, 3 * GRID, generator=torch.Generator().manual_seed(self.pattern_seed))
        steps = torch.arange(3 * GRID) - 1.5 * GRID + 0.5
        kernel = torch.exp(-0.5 * ((steps[GRID : 2 * GRID, None] - steps[None, :]) / (self.sigma * GRID)) ** 2)
        smooth = kernel @ noise @ kernel.T
        smooth = (smooth - smooth.min()) / (smooth.max() - smooth.min()) * self.amplitude
        return functional.interpolate(smooth[None], size=(size, size), mode="bilinear", align_corners=False)[0]

    def trigger(self, images: Tensor, ids: Tensor) -> Tensor:
        return (images + self._field(images.shape[-1]).to(images)).clamp(0, 1)
