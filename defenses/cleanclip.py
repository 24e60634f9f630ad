"""CleanCLIP (arXiv 2303.03323): contrastive fine-tuning plus self-supervision within each modality.

Besides its caption, every image must match an augmented copy of itself (AutoAugment), and every caption a rewritten
copy (EDA); both in-modal cross-entropies are taken over rows only, at the model's own temperature.

Differs from the paper: learning rate, batch and epochs default to the model's recipe and a modest number; BatchNorm
statistics follow the recipe's policy; EDA works offline with a small synonym table instead of WordNet; AutoAugment
draws one sub-policy per ``augmentation_group`` images instead of one per image, to be cheap on a CPU; captions that
are equal within a batch share their in-modal target where the recipe says so for the contrastive loss. As in the
authors' code, captions are rewritten once before training.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from benchmark.image_augmentation import auto_augmented
from benchmark.objectives import self_supervised
from benchmark.ranges import BatchSize, Count, NonNegative, Positive
from benchmark.seeds import derive
from benchmark.text_augmentation import augmented_captions
from benchmark.types import Batch, Loss, Point

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, Need


@dataclass(frozen=True, kw_only=True)
class CleanClip:
    """Contrastive and in-modal fine-tuning of both towers; one point per epoch, strength = epochs done.

    Args:
        epochs: passes over the clean pairs.
        learning_rate: peak learning rate; None takes the model's recipe.
        batch_size: pairs per step; None takes the model's recipe.
        clip_weight: weight of the contrastive loss.
        in_modal_weight: weight of the mean of the two in-modal losses.
        augmentation_group: consecutive images of a batch that share one draw of AutoAugment's policy; 1 is the paper's.
    """

    epochs: Count = 5
    learning_rate: Positive | None = None
    batch_size: BatchSize | None = None
    clip_weight: NonNegative = 1.0
    in_modal_weight: NonNegative = 1.0
    augmentation_group: Count = 4

    needs: ClassVar[frozenset["Need"]] = frozenset({"clean_pairs"})

    def objective(self, rewritten: Tensor, seed: int) -> Loss:
        """The loss, given the tokens (N, L) of all rewritten captions and the seed of the image augmentation."""
        source = torch.Generator().manual_seed(seed)

        def loss(model: "Clip", batch: Batch) -> Tensor:
            drawn = int(torch.randint(2**62, (1,), generator=source))
            copies = auto_augmented(batch.images, drawn, self.augmentation_group)
            tokens = rewritten[batch.rows]
            return self_supervised(model, batch, copies, tokens, self.clip_weight, self.in_modal_weight)[0]

        return loss

    def __call__(self, model: "Clip", context: "Context") -> Iterator[Point]:
        pairs = context.clean_pairs
        rewritten = model.tokenize(augmented_captions(pairs.captions, derive(context.seed, "eda")))
        snapshots = context.train(
            model,
            pairs,
            loss=self.objective(rewritten.to(model.device), derive(context.seed, "autoaugment")),
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
        )
        for epoch, snapshot in enumerate(snapshots, start=1):
            yield Point(float(epoch), snapshot)
