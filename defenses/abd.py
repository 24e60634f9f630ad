"""ABD, adversarial backdoor defense (arXiv 2409.15968): CleanCLIP with adversarial images for augmentation.

Triggers resemble adversarial features, so the images' copies are adversarial ones, raised in the contrastive loss, and
the loss also aligns them with the rewritten captions.

Differs from the paper: only its abstract is public in detail and there is no code, so this is a reconstruction: copies
are four sign steps of 2/255 in a box of 8/255 from Gaussian noise, the alignment is the contrastive loss between
adversarial images and rewritten captions at weight one; captions are rewritten once, by EDA with a small synonym table.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from benchmark.adversarial import ascended
from benchmark.losses import symmetric_cross_entropy
from benchmark.objectives import evaluating, self_supervised, shared_targets
from benchmark.ranges import BatchSize, Count, CountOrZero, NonNegative, Positive, ShareOrZero
from benchmark.seeds import derive
from benchmark.text_augmentation import augmented_captions
from benchmark.types import Batch, Loss, Point

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, Need


@dataclass(frozen=True, kw_only=True)
class Abd:
    """Contrastive fine-tuning with adversarial copies; one point per epoch, strength = epochs done.

    Args:
        epochs: passes over the clean pairs.
        learning_rate: peak learning rate; None takes the model's recipe.
        batch_size: pairs per step; None takes the model's recipe.
        radius: half the side of the box around an image, in [0, 1] as pixels are.
        step_size: length of a sign step, in [0, 1] as pixels are.
        steps: number of sign steps; 0 leaves the noise alone.
        align_weight: weight of the alignment of adversarial images with rewritten captions.
    """

    epochs: Count = 3
    learning_rate: Positive | None = None
    batch_size: BatchSize | None = None
    radius: ShareOrZero = 8 / 255
    step_size: ShareOrZero = 2 / 255
    steps: CountOrZero = 4
    align_weight: NonNegative = 1.0

    needs: ClassVar[frozenset["Need"]] = frozenset({"clean_pairs"})

    def adversarial(self, model: "Clip", batch: Batch, source: torch.Generator) -> Tensor:
        """Images near the batch's that match their captions less."""
        with evaluating(model), torch.no_grad():
            texts, scale = model.encode_tokens(batch.tokens), model.logit_scale
        shared = shared_targets(model, batch.tokens)

        def mismatch(pixels: Tensor) -> Tensor:
            return symmetric_cross_entropy(model.encode_images(pixels), texts, scale, shared)

        noise = torch.randn(batch.images.shape, generator=source).to(batch.images)
        with evaluating(model):
            found = ascended(
                batch.images,
                mismatch,
                start=0.5 * self.radius * noise,
                radius=self.radius,
                step_size=self.step_size,
                steps=self.steps,
            )
        return found.clamp(0, 1)

    def objective(self, rewritten: Tensor, seed: int) -> Loss:
        """The loss, given the tokens (N, L) of all rewritten captions and the seed of the noise."""
        source = torch.Generator().manual_seed(seed)

        def loss(model: "Clip", batch: Batch) -> Tensor:
            copies = self.adversarial(model, batch, source)
            total, images, texts = self_supervised(model, batch, copies, rewritten[batch.rows], 1.0, 1.0)
            shared = shared_targets(model, batch.tokens)
            return total + self.align_weight * symmetric_cross_entropy(images, texts, model.logit_scale, shared)

        return loss

    def __call__(self, model: "Clip", context: "Context") -> Iterator[Point]:
        pairs = context.clean_pairs
        rewritten = model.tokenize(augmented_captions(pairs.captions, derive(context.seed, "eda")))
        snapshots = context.train(
            model,
            pairs,
            loss=self.objective(rewritten.to(model.device), derive(context.seed, "noise")),
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
        )
        for epoch, snapshot in enumerate(snapshots, start=1):
            yield Point(float(epoch), snapshot)
