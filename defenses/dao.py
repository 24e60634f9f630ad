"""DAO, dimensionality-aware outlier detection (arXiv 2401.05453, for CLIP's training data arXiv 2502.01385).

Like SLOF it compares the radius of an image's neighbourhood with those of its neighbours, but on the logarithmic scale
and weighted with the neighbours' local dimension: where the dimension is high, a slightly larger radius already means
a much lower density.

Differs from the paper: the mean of dimension times logarithm, as in the code of arXiv 2502.01385, instead of the mean
of powers. Against that code: images are compared with images alone, where it adds the captions' embeddings to the
candidates; a neighbour's radius and dimension do not count the neighbour itself. As there, embeddings are not
normalised, and poisons must be rarer in a batch than k.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from benchmark.neighbours import Neighbourhood, batched, image_features
from benchmark.ranges import Count, NeighbourBatch

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, Need, Pairs


def outlierness(features: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """DAO scores (n,) of samples (n, D) among themselves; 0 where the density is that of the neighbours."""
    around = Neighbourhood.of(features, k)
    weighted: NDArray[np.float64] = around.dimensions[around.nearest] * np.log(around.sparseness)
    return weighted.mean(axis=1)


@dataclass(frozen=True, kw_only=True)
class Dao:
    """Scores training pairs by how much less dense their place is than their neighbours'.

    Args:
        k: neighbours.
        batch_size: pairs that are compared with each other, at least 5.
    """

    k: Count = 16
    batch_size: NeighbourBatch = 2048

    needs: ClassVar[frozenset["Need"]] = frozenset({"training_pairs"})

    def score(self, model: "Clip", pairs: "Pairs", context: "Context") -> Tensor:
        features = image_features(model, pairs.images)
        return batched(features, self.batch_size, lambda batch: outlierness(batch, self.k))
