"""SLOF, the simplified local outlier factor (doi:10.1007/s10618-012-0300-z, for CLIP's training data arXiv 2502.01385).

The score of a pair is the radius of its image's neighbourhood over the radii of its neighbours' neighbourhoods, on
average: about 1 inside of any cloud, above 1 beside it.

Differs from the paper: images are compared with images alone, where the published code adds the captions' embeddings to
the candidates; a neighbour's radius does not count the neighbour itself, as it does there; equal images have a score of
1 instead of 1000. As there, embeddings are not normalised, and poisons must be rarer in a batch than k.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from benchmark.neighbours import Neighbourhood, batched, image_features
from benchmark.ranges import Count, NeighbourBatch

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, Need, Pairs


@dataclass(frozen=True, kw_only=True)
class Slof:
    """Scores training pairs by how much sparser their neighbourhood is than their neighbours'.

    Args:
        k: neighbours.
        batch_size: pairs that are compared with each other, at least 5.
    """

    k: Count = 16
    batch_size: NeighbourBatch = 2048

    needs: ClassVar[frozenset["Need"]] = frozenset({"training_pairs"})

    def score(self, model: "Clip", pairs: "Pairs", context: "Context") -> Tensor:
        features = image_features(model, pairs.images)
        return batched(features, self.batch_size, lambda batch: Neighbourhood.of(batch, self.k).sparseness.mean(axis=1))
