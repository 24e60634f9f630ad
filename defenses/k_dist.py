"""k-dist: poisoned pairs lie in sparse places (doi:10.1145/342009.335437, for CLIP's training data arXiv 2502.01385).

The score of a pair is the distance of its image to the (k + 1)-th nearest other image of its batch, in the suspect
model's own embedding space.

Differs from the paper: images are compared with images alone, where the published code adds the captions' embeddings to
the candidates. As there, embeddings are not normalised. It rests on poisons being rarer in a batch than k: at a high
share of poisons lower ``batch_size``, or they are each other's neighbours and the score turns around.
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
class KDist:
    """Scores training pairs by how far away their neighbours are.

    Args:
        k: neighbours that must be nearer.
        batch_size: pairs that are compared with each other, at least 5.
    """

    k: Count = 16
    batch_size: NeighbourBatch = 2048

    needs: ClassVar[frozenset["Need"]] = frozenset({"training_pairs"})

    def score(self, model: "Clip", pairs: "Pairs", context: "Context") -> Tensor:
        features = image_features(model, pairs.images)
        return batched(features, self.batch_size, lambda batch: Neighbourhood.of(batch, self.k).radii)
