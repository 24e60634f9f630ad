"""BadCLIP, a patch optimised in both embedding spaces before poisoning (Liang et al., arXiv 2311.12075).

The patch pulls images towards captions of the target (contrastive loss) and towards the embeddings of real images of
the target (triplet loss); poisoned pairs then carry natural captions of the target instead of templates.

Differs from the paper: fewer passes with a higher learning rate, because models and data here are small; no text or
image augmentation; the patch is stored without JPEG; its side defaults to 1/8 of the image instead of 16 of 224 pixels.
As in the paper, at most 10,000 images without the target serve to optimise it. In the published code the patch also
ends up in the images that serve as the triplet's negatives, which therefore are the anchors themselves and only
attraction remains: ``variant="faithful"`` does the same, ``"fixed"`` takes the images without the patch, as the paper
describes.
"""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor
from torch.nn import functional

from benchmark.losses import symmetric_cross_entropy
from benchmark.patches import carrying, embedded, frozen, optimised_patch
from benchmark.poison_rules import drawn, rows_naming, with_trigger
from benchmark.poisoning import poisoned_rows
from benchmark.ranges import BatchSize, CountOrZero, NonNegative, Positive, Share
from benchmark.seeds import derive

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, Pairs

CAPTIONS = 128
POSITIVES = 256
IMAGES = 10_000


@dataclass(frozen=True, kw_only=True)
class BadClip:
    """An optimised square in the middle of the image.

    Args:
        target: class that the trigger must elicit.
        side: side of the patch as a share of the image side, in (0, 1].
        variant: what the triplet loss pushes away from: "faithful" (as published) or "fixed" (as described).
        triplet_weight: weight of the triplet loss beside the contrastive one.
        margin: of the triplet loss, a Euclidean distance of unit vectors.
        epochs: passes over the clean images to optimise the patch; 0 keeps its random start.
        batch_size: images per step, at least 2.
        learning_rate: Adam's, in pixels of [0, 1].
        patch: what was learnt, (3, S, S).
    """

    target: str = "banana"
    side: Share = 0.125
    variant: Literal["faithful", "fixed"] = "faithful"
    triplet_weight: NonNegative = 500.0
    margin: Positive = 1.0
    epochs: CountOrZero = 2
    batch_size: BatchSize = 64
    learning_rate: Positive = 0.03
    patch: Tensor | None = field(default=None, repr=False, compare=False)

    def fit(self, model: "Clip", context: "Context") -> "BadClip":
        """Needs clean pairs, some of which name the target."""
        pairs, model = context.clean_pairs, frozen(model)
        naming = rows_naming(pairs, self.target)
        named = drawn(naming, CAPTIONS, derive(context.seed, "captions"))
        texts = model.encode_texts([pairs.captions[row] for row in named.tolist()])
        positives = embedded(model, pairs.images, drawn(naming, POSITIVES, derive(context.seed, "positives")))
        others = torch.ones(len(pairs), dtype=torch.bool)
        others[naming] = False

        def loss(anchors: Tensor, images: Tensor, generator: torch.Generator) -> Tensor:
            captions = torch.randint(len(texts), (len(anchors),), generator=generator).to(anchors.device)
            pulling = torch.randint(len(positives), (len(anchors),), generator=generator).to(anchors.device)
            negatives = anchors.detach() if self.variant == "faithful" else model.encode_images(images)
            triplet = functional.triplet_margin_loss(anchors, positives[pulling], negatives, margin=self.margin)
            contrast = symmetric_cross_entropy(anchors, texts[captions], model.logit_scale)
            return contrast + self.triplet_weight * triplet

        patch = optimised_patch(
            model,
            pairs.take(drawn(others.nonzero().flatten(), IMAGES, derive(context.seed, "images"))).images,
            loss,
            share=self.side,
            place="centre",
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            seed=derive(context.seed, "patch"),
        )
        return replace(self, patch=patch)

    def trigger(self, images: Tensor, ids: Tensor) -> Tensor:
        return carrying(images, self.patch, self.side, "centre")

    def poison(self, pairs: "Pairs", count: int, seed: int) -> "Pairs":
        """All pairs, ``count`` of them with the patch and one of 128 captions that name the target."""
        bank = drawn(rows_naming(pairs, self.target), CAPTIONS, derive(seed, "bank")).tolist()
        generator = torch.Generator().manual_seed(derive(seed, "captions"))
        picks = torch.randint(len(bank), (count,), generator=generator).tolist()
        captions = [pairs.captions[bank[pick]] for pick in picks]
        return with_trigger(self, pairs, poisoned_rows(count, len(pairs), seed), captions)
