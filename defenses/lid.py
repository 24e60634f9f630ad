"""LID: poisoned pairs lie where the local dimension is high (arXiv 1801.02613, for CLIP's training data 2502.01385).

The score of a pair is the local intrinsic dimensionality of its image's neighbourhood, by maximum likelihood
(doi:10.1145/2783258.2783405), in the suspect model's own embedding space.

Differs from the paper: images are compared with images alone, where the published code adds the captions' embeddings to
the candidates; ratios of distances are floored at 1e-4 where it adds 1e-4. As there, embeddings are not normalised.
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
class Lid:
    """Scores training pairs by the dimension of the space around them.

    Args:
        k: neighbours; dimensions need more of them than distances.
        batch_size: pairs that are compared with each other, at least 5.
    """

    k: Count = 64
    batch_size: NeighbourBatch = 2048

    needs: ClassVar[frozenset["Need"]] = frozenset({"training_pairs"})

    def score(self, model: "Clip", pairs: "Pairs", context: "Context") -> Tensor:
        features = image_features(model, pairs.images)
        return batched(features, self.batch_size, lambda batch: Neighbourhood.of(batch, self.k).dimensions)
