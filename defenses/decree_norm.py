"""DECREE's detector (arXiv 2303.15180): a poisoned image encoder has a small patch that all images answer to.

It searches the smallest patch that gives unlabelled images the same embedding. PL1, the L1 norm of its mask over the
norm of a full one, is small where a backdoor offers a short way; the score is minus PL1, and the paper calls a model
poisoned where PL1 is below 0.1.

Differs from the paper: fewer shadow images and epochs (the paper: ten thousand and up to a thousand), so that PL1 has
not always settled; the weight of the patch's size scales with the number of pixels; no early stop; CLIP's own
normalisation. Where no patch reaches the success the best one that was found counts. It is made for patches: a global
trigger has no small mask.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from benchmark.inversion import PatchSearch, levelling_patch, shadow_images
from benchmark.objectives import frozen
from benchmark.ranges import BatchSize, Count, Positive, Share, TwoOrMore
from benchmark.seeds import derive

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, Need


@dataclass(frozen=True, kw_only=True)
class DecreeNorm:
    """Scores a model by how small a patch makes all images look the same to it.

    Args:
        shadow: number of images, at least 2.
        epochs: passes over them.
        batch_size: images per step, at least 2.
        learning_rate: of Adam at the start.
        success: mean cosine within batches at which a patch counts, in (0, 1].
    """

    shadow: TwoOrMore = 512
    epochs: Count = 60
    batch_size: BatchSize = 32
    learning_rate: Positive = 0.5
    success: Share = 0.99

    needs: ClassVar[frozenset["Need"]] = frozenset({"clean_images"})
    contract_settings: ClassVar[dict[str, int]] = {"shadow": 16, "epochs": 2, "batch_size": 8}

    def score(self, model: "Clip", context: "Context") -> float:
        images = shadow_images(context.clean_images, self.shadow, derive(context.seed, "shadow"))
        how = PatchSearch(
            epochs=self.epochs, batch_size=self.batch_size, learning_rate=self.learning_rate, success=self.success
        )
        mask, _ = levelling_patch(frozen(model), images, how, derive(context.seed, "patch"))
        return -float(mask.mean())
