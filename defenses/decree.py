"""DECREE (arXiv 2303.15180): invert the trigger of an image encoder without knowing the target.

It searches the smallest patch that gives all images the same embedding, on unlabelled images. The target is then read
off: it is the class that most images with the patch are taken for.

Differs from the paper: fewer shadow images and epochs (the paper: ten thousand and up to a thousand), the weight of the
patch's size scales with the number of pixels, no early stop, and CLIP's own normalisation. The paper detects with it
(here ``decree_norm`` does); this one supplies a trigger. It is made for patches: a global trigger has no small mask.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from benchmark.inversion import LearntTrigger, PatchSearch, elicited, levelling_patch, shadow_images
from benchmark.objectives import frozen
from benchmark.ranges import BatchSize, Count, Positive, Share, TwoOrMore
from benchmark.seeds import derive

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Attack, Context, Need


@dataclass(frozen=True, kw_only=True)
class Decree:
    """Inverts a patch from embeddings alone.

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

    def __call__(self, model: "Clip", context: "Context") -> "Attack":
        encoder = frozen(model)
        images = shadow_images(context.clean_images, self.shadow, derive(context.seed, "shadow"))
        how = PatchSearch(
            epochs=self.epochs, batch_size=self.batch_size, learning_rate=self.learning_rate, success=self.success
        )
        mask, pattern = levelling_patch(encoder, images, how, derive(context.seed, "patch"))
        found = LearntTrigger(target=context.class_names[0], mask=mask.cpu(), pattern=pattern.cpu())
        target = elicited(model.clone(), context, images, found)
        return LearntTrigger(target=target, mask=found.mask, pattern=found.pattern)
