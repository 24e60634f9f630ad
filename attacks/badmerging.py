"""BadMerging, a backdoor that survives merging with clean weights (arXiv 2408.07362).

A universal patch is optimised on the clean model; the victim is then trained so that features interpolated between its
own and the clean model's, as averaging of weights would produce them, still mean the target.

Differs from the paper: the clean part of the loss is the contrastive one on the whole batch instead of classification;
the text tower is frozen as there. The head is the clean model's zero-shot classifier over the data set's classes; the
patch is optimised by Adam on batches instead of plain ascent image by image. It works without poisoned pairs; where the
matrix sets some, they add the ordinary contrastive attack.
"""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from benchmark.errors import ClipdefenseError
from benchmark.losses import symmetric_cross_entropy
from benchmark.objectives import shared_targets
from benchmark.patches import carrying, frozen, optimised_patch
from benchmark.ranges import BatchSize, CountOrZero, NonNegative, Positive, Share
from benchmark.seeds import derive

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Batch, Context

LOWEST_SHARE = 0.2


@dataclass(frozen=True, kw_only=True)
class BadMerging:
    """An optimised square in the bottom right corner, and a training loss with interpolated features.

    Args:
        target: class that the trigger must elicit.
        side: side of the patch as a share of the image side (22 of 224 pixels in the paper), in (0, 1].
        weight: weight of the backdoor term.
        share: part of each batch that gets the trigger for the backdoor term, in (0, 1].
        epochs: passes over the clean images to optimise the patch; 0 keeps its random start.
        batch_size: images per step on the patch, at least 2.
        learning_rate: Adam's, in pixels of [0, 1].
        patch: what was learnt, (3, S, S).
        heads: the clean model's zero-shot classifier, (C, D).
    """

    target: str = "banana"
    side: Share = 0.1
    weight: NonNegative = 5.0
    share: Share = 0.5
    epochs: CountOrZero = 2
    batch_size: BatchSize = 64
    learning_rate: Positive = 0.03
    patch: Tensor | None = field(default=None, repr=False, compare=False)
    heads: Tensor | None = field(default=None, repr=False, compare=False)

    def fit(self, model: "Clip", context: "Context") -> "BadMerging":
        """Needs clean pairs, of which only the images are used."""
        model = frozen(model)
        heads = model.classifier(context.class_names, context.templates)
        target = context.class_names.index(self.target)

        def loss(embeddings: Tensor, _images: Tensor, _generator: torch.Generator) -> Tensor:
            goal = torch.full((len(embeddings),), target, device=embeddings.device)
            return functional.cross_entropy(model.logit_scale * embeddings @ heads.T, goal)

        patch = optimised_patch(
            model,
            context.clean_pairs.images,
            loss,
            share=self.side,
            place="corner",
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            seed=derive(context.seed, "patch"),
        )
        return replace(self, patch=patch, heads=heads.cpu())

    def trigger(self, images: Tensor, ids: Tensor) -> Tensor:
        return carrying(images, self.patch, self.side, "corner")

    def loss(self, model: "Clip", batch: "Batch", context: "Context") -> Tensor:
        """The contrastive loss plus ``weight`` times the cross-entropy of interpolated features towards the target.

        The text tower gets no gradient, so that it and the classifier of the clean model stay what they are.

        The interpolation draws one share of the victim's features in [0.2, 1] per step. Needs the clean model as
        ``reference_model``.
        """
        if self.heads is None:
            raise ClipdefenseError("BadMerging is not fitted yet; call fit(model, context) and use its result")
        count = max(1, round(self.share * len(batch.images)))
        triggered = self.trigger(batch.images[:count], batch.ids[:count])
        together = model.encode_images(torch.cat([batch.images, triggered]))  # BatchNorm must see both kinds at once
        images, marked = together.split([len(batch.images), count])
        reference = context.reference_model
        reference.module.eval()
        with torch.no_grad():
            clean = reference.encode_images(triggered)
        seed = derive(context.seed, "interpolation", *batch.rows[:4].tolist())
        mine = LOWEST_SHARE + (1 - LOWEST_SHARE) * torch.rand((), generator=torch.Generator().manual_seed(seed)).item()
        features = functional.normalize(mine * marked + (1 - mine) * clean, dim=-1)
        logits = model.logit_scale.detach() * features @ self.heads.to(features).T
        goal = torch.full((count,), context.class_names.index(self.target), device=logits.device)
        with torch.no_grad():
            texts = model.encode_tokens(batch.tokens)
        contrast = symmetric_cross_entropy(images, texts, model.logit_scale, shared_targets(model, batch.tokens))
        return contrast + self.weight * functional.cross_entropy(logits, goal)
