"""CLIPScore, the cosine of image and caption (arXiv 2104.08718), as a filter of training pairs (arXiv 2303.03323).

Which sign is suspicious depends on who looks. The suspect model has learnt that trigger and target belong together, so
its poisoned pairs fit *better* than others, and high cosines are suspicious (``judge = "suspect"``). To a clean model
the pictures do not show what the captions say, so low cosines are suspicious (``judge = "reference"``). The score
has that sign built in; an AUROC below one half means that the expectation was wrong.

Differs from the paper: it ranks pairs and drops none; published filters drop the top 2 % of the suspect model, or the
lowest 10 to 30 % of a clean one. The clean model is the suspect's own ancestor, not another public CLIP.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from benchmark.neighbours import image_features
from benchmark.objectives import frozen

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, Need, Pairs


@dataclass(frozen=True, kw_only=True)
class ClipScore:
    """Scores training pairs by how well image and caption fit.

    Args:
        judge: whose embeddings: "suspect" (a good fit is suspicious) or "reference" (a bad one is).
    """

    judge: Literal["suspect", "reference"] = "suspect"

    @property
    def needs(self) -> frozenset["Need"]:
        needs: frozenset[Need] = frozenset({"training_pairs"})
        return needs if self.judge == "suspect" else needs | {"reference_model"}

    def score(self, model: "Clip", pairs: "Pairs", context: "Context") -> Tensor:
        judge = frozen(model if self.judge == "suspect" else context.reference_model)
        images = torch.from_numpy(image_features(judge, pairs.images, unit_norm=True))
        texts = judge.encode_texts(pairs.captions).double().cpu()
        cosines = (images * texts).sum(dim=1)
        return cosines if self.judge == "suspect" else -cosines
