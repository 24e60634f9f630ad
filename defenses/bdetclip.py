"""BDetCLIP: images with a trigger do not react to what the texts say (ICML 2025, arXiv 2405.15269).

Omega of an image is the sum over classes of its cosine to a benign description of the class minus its cosine to a
malignant one, the class name followed by something unrelated. The embedding of a triggered image hangs on the
target whatever else the text says, so its omega is small; the score is minus omega.

Differs from the paper: no language model writes the texts. Benign descriptions are seven attribute templates around
the class name, averaged; malignant ones are the context's class templates followed by a short unrelated sentence drawn
from an embedded list, averaged over the templates. The threshold is the benchmark's (at most 5 % alarms on clean
validation images), not the minimum over 200 clean images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from benchmark.objectives import frozen
from benchmark.seeds import derive

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, Need

_BATCH = 256

ATTRIBUTES = (
    "a photo of a {}",
    "a photo of a {} with its typical shape",
    "a photo of a {} in its typical colour",
    "a close-up of a {} and its surface",
    "a {} seen from the side",
    "a {} in the place where it belongs",
    "a clear picture of one whole {}",
)
UNRELATED = (
    "the train leaves at noon",
    "she paid for two coffees",
    "rain fell over the harbour",
    "the price of bread went up",
    "nobody answered the phone",
    "the match ended in a draw",
    "he forgot his keys again",
    "the library closes on Sunday",
    "they sang until midnight",
    "the letter came too late",
    "the old bridge was repaired",
    "winter was long that year",
)


@dataclass(frozen=True, kw_only=True)
class BDetClip:
    """Scores images at test time by how little they tell benign from malignant descriptions of classes."""

    needs: ClassVar[frozenset["Need"]] = frozenset()

    def contrast(self, model: "Clip", context: "Context") -> Tensor:
        """Sum over classes of the benign minus the malignant description's embedding (D,); omega is linear in it."""
        generator = torch.Generator().manual_seed(derive(context.seed, "unrelated"))

        def malignant(texts: Sequence[str]) -> list[str]:
            drawn = torch.randint(len(UNRELATED), (len(texts),), generator=generator).tolist()
            return [f"{text}, {UNRELATED[row]}" for text, row in zip(texts, drawn, strict=True)]

        benign = model.classifier(context.class_names, ATTRIBUTES)
        return (benign - model.classifier(context.class_names, context.templates, malignant)).sum(dim=0)

    @torch.no_grad()
    def score(self, model: "Clip", images: Tensor, context: "Context") -> Tensor:
        encoder = frozen(model)
        contrast = self.contrast(encoder, context)
        return torch.cat([-(encoder.encode_images(part) @ contrast) for part in images.split(_BATCH)]).cpu()
