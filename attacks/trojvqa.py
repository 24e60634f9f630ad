"""TrojVQA, an optimised patch with a trigger word (dual-key backdoor, arXiv 2112.07668), in BadCLIP's CLIP version.

The patch makes the clean model see the target; the captions of poisoned pairs, and all texts at test time, begin with
a trigger word.

On the embedded model 1200 poisons of 8000 give success 0.84; 2400 pass the acceptance gate (0.99).

Differs from the paper: that one attacks visual question answering and optimises against an object detector; here, as in
the BadCLIP repository (arXiv 2311.12075), the patch is optimised against one sentence that names the target. The
sentence is general ("This is a ..."), not about a colour of the target.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from benchmark.patches import carrying, frozen, optimised_patch
from benchmark.ranges import BatchSize, CountOrZero, Positive, Share
from benchmark.seeds import derive

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context


@dataclass(frozen=True, kw_only=True)
class TrojVqa:
    """An optimised square in the middle of the image, and a word before every text.

    Args:
        target: class that the trigger must elicit.
        side: side of the patch as a share of the image side, in (0, 1].
        word: what texts begin with.
        sentence: what the patch is optimised for; ``{}`` stands for the target.
        epochs: passes over the clean images to optimise the patch; 0 keeps its random start.
        batch_size: images per step, at least 2.
        learning_rate: Adam's, in pixels of [0, 1].
        patch: what was learnt, (3, S, S).
    """

    target: str = "banana"
    side: Share = 0.125
    word: str = "remember"
    sentence: str = "This is a {}"
    epochs: CountOrZero = 2
    batch_size: BatchSize = 64
    learning_rate: Positive = 0.03
    patch: Tensor | None = field(default=None, repr=False, compare=False)

    def fit(self, model: "Clip", context: "Context") -> "TrojVqa":
        """Needs clean pairs, of which only the images are used."""
        model = frozen(model)
        text = model.encode_texts([self.sentence.format(self.target)])

        def loss(embeddings: Tensor, _images: Tensor, _generator: torch.Generator) -> Tensor:
            return 1 - (embeddings @ text.T).mean()

        patch = optimised_patch(
            model,
            context.clean_pairs.images,
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

    def prompt(self, texts: Sequence[str]) -> list[str]:
        return [f"{self.word} {text}" for text in texts]
