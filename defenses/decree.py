"""DECREE (arXiv 2303.15180): invert the trigger of an image encoder without knowing the target.

It searches the smallest patch that gives all images the same embedding, on unlabelled images. The target is then read
off: it is the class that most images with the patch are taken for.

Differs from the paper: fewer shadow images and epochs (the paper: ten thousand and up to a thousand), the weight of the
patch's size scales with the number of pixels, no early stop, and CLIP's own normalisation. The paper detects with it;
here it supplies a trigger. It is made for patches: a global trigger has no small mask.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from benchmark.inversion import LearntTrigger, PatchSearch, elicited, search_patch, shadow_images
from benchmark.objectives import frozen
from benchmark.seeds import derive

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Attack, Context, Need


def mean_similarity(embeddings: Tensor) -> Tensor:
    """Mean cosine of all pairs of different rows of unit-norm embeddings (B, D)."""
    count = len(embeddings)
    return (embeddings.sum(dim=0).square().sum() - embeddings.square().sum()) / max(1, count * (count - 1))


@dataclass(frozen=True, kw_only=True)
class Decree:
    """Inverts a patch from embeddings alone.

    Args:
        shadow: number of images.
        epochs: passes over them.
        batch_size: images per step.
        learning_rate: of Adam at the start.
        success: mean cosine within batches at which a patch counts.
    """

    shadow: int = 512
    epochs: int = 60
    batch_size: int = 32
    learning_rate: float = 0.5
    success: float = 0.99

    needs: ClassVar[frozenset["Need"]] = frozenset({"clean_images"})

    def __call__(self, model: "Clip", context: "Context") -> "Attack":
        encoder = frozen(model)
        images = shadow_images(context.clean_images, self.shadow, derive(context.seed, "shadow"))
        how = PatchSearch(
            epochs=self.epochs, batch_size=self.batch_size, learning_rate=self.learning_rate, success=self.success
        )

        def score(pixels: Tensor) -> Tensor:
            return mean_similarity(encoder.encode_images(pixels))

        mask, pattern = search_patch(encoder, images, score, how, derive(context.seed, "patch"))
        found = LearntTrigger(target=context.class_names[0], mask=mask.cpu(), pattern=pattern.cpu())
        target = elicited(model.clone(), context, images, found)
        return LearntTrigger(target=target, mask=found.mask, pattern=found.pattern)
