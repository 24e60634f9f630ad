"""Neighbourhoods in feature space: who is near whom, how far, and of which dimension, for detectors of outliers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from benchmark.models import Clip
from benchmark.objectives import frozen
from benchmark.pixels import to_float
from benchmark.types import ImageSource

Floats = NDArray[np.float64]

_BATCH = 256
_SMALLEST = 1e-12
_SMALLEST_RATIO = 1e-4
"""Ratios of distances are floored here, so that a neighbour at distance zero has a finite logarithm."""


@dataclass(frozen=True)
class Neighbourhood:
    """The nearest other samples of each of n samples, nearest first.

    Attributes:
        distances: (n, k + 1) Euclidean; the last one is the neighbourhood's radius, the k before it are inside.
        nearest: (n, k) rows of the samples inside.
    """

    distances: Floats
    nearest: NDArray[np.int64]

    @classmethod
    def of(cls, features: Floats, k: int) -> Neighbourhood:
        """The neighbourhoods of samples (n, D) among themselves; k is at most n - 2, and at least three are needed.

        Distances are computed from differences, never from scalar products, which are inexact for near samples.
        """
        count = min(k, len(features) - 2)
        search = NearestNeighbors(n_neighbors=count + 1, algorithm="ball_tree").fit(features)
        distances, rows = search.kneighbors()
        return cls(distances, rows[:, :count])

    @cached_property
    def radii(self) -> Floats:
        """Distance (n,) to the (k + 1)-th nearest other sample."""
        return np.asarray(self.distances[:, -1])

    @cached_property
    def dimensions(self) -> Floats:
        """Local intrinsic dimensionality (n,), by maximum likelihood (doi:10.1145/2783258.2783405)."""
        inside = self.distances[:, :-1] / np.maximum(self.distances[:, -1:], _SMALLEST)
        shrinking = -np.log(np.maximum(inside, _SMALLEST_RATIO)).mean(axis=1)
        return np.asarray(1 / np.maximum(shrinking, _SMALLEST_RATIO))

    @cached_property
    def sparseness(self) -> Floats:
        """Each sample's radius over the radius of each of its neighbours, (n, k)."""
        return np.asarray(np.maximum(self.radii, _SMALLEST)[:, None] / np.maximum(self.radii[self.nearest], _SMALLEST))


@torch.no_grad()
def image_features(model: Clip, images: ImageSource, *, unit_norm: bool = False) -> Floats:
    """Image embeddings (n, D) of a suspect model, before normalisation unless a norm of one is asked for."""
    encoder = frozen(model)
    encode = encoder.encode_images if unit_norm else encoder.image_features
    rows = torch.arange(len(images)).split(_BATCH)
    found = [encode(to_float(images[chunk], model.device)).double().cpu() for chunk in rows]
    return np.asarray(torch.cat(found).numpy())


def batched(features: Floats, batch_size: int, score: Callable[[Floats], Floats]) -> Tensor:
    """Scores (n,) of samples (n, D) that are each compared with their own batch; batches are as equal as can be."""
    parts = np.array_split(features, max(1, -(-len(features) // batch_size)))
    return torch.from_numpy(np.concatenate([score(part) for part in parts]))
