"""Neural Cleanse (doi:10.1109/SP.2019.00031), adapted to zero-shot classes: one of them is suspiciously easy to reach.

For every class it searches the smallest patch that makes the model see the class in all images. The target of a
backdoor needs a much smaller one than the others: the score is how far the smallest mask lies below the median of all
masks, in robust standard deviations (the anomaly index; the paper flags a model above 2).

Differs from the paper: CLIP has no fixed head, so classes are zero-shot ones, at most ``candidates`` of them (those
that images with random patches are most often taken for); masks are searched by the benchmark's one patch search, in
which a patch counts by the geometric mean of the target's probability instead of its success, and the weight of the
size falls by the factor by which it rises; fewer images and epochs. No unlearning: here it only detects.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from scipy.stats import median_abs_deviation
from torch import Tensor
from torch.nn import functional

from benchmark.evaluation import predict
from benchmark.inversion import PatchSearch, search_patch, shadow_images
from benchmark.objectives import class_logits, frozen
from benchmark.ranges import Count, InnerShare, Positive, Share
from benchmark.seeds import derive

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, Need


def anomaly(norms: list[float]) -> float:
    """How many robust deviations the smallest of the norms lies below their median; 0 where all are equal."""
    below = float(np.median(norms)) - min(norms)
    return below / max(float(median_abs_deviation(norms, scale="normal")), 1e-9) if below else 0.0


@dataclass(frozen=True, kw_only=True)
class NeuralCleanse:
    """Scores a model by how much smaller a patch reaches one class than the others.

    Args:
        shadow: number of images.
        epochs: passes over them for every class.
        batch_size: images per step.
        learning_rate: of Adam at the start.
        success: geometric mean of the class's probability at which a patch counts, in (0, 1).
        candidates: classes at most.
        patch: side of the random patches that choose candidates, as a share of the image side, in (0, 1].
    """

    shadow: Count = 256
    epochs: Count = 40
    batch_size: Count = 64
    learning_rate: Positive = 0.5
    success: InnerShare = 0.98
    candidates: Count = 50
    patch: Share = 0.25

    needs: ClassVar[frozenset["Need"]] = frozenset({"clean_images"})
    contract_settings: ClassVar[dict[str, int]] = {"shadow": 16, "epochs": 2, "batch_size": 8}

    def suspects(self, model: "Clip", images: Tensor, classifier: Tensor, seed: int) -> list[int]:
        """The classes to search for; all of them where there are few enough."""
        if len(classifier) <= self.candidates:
            return list(range(len(classifier)))
        generator, side = torch.Generator().manual_seed(seed), max(1, round(self.patch * images.shape[-1]))
        patches = torch.randint(256, (len(images), 3, side, side), generator=generator, dtype=torch.uint8)
        marked = images.clone()
        marked[:, :, -side:, -side:] = patches
        counts = predict(model, classifier, marked).bincount(minlength=len(classifier))
        return sorted(counts.argsort(descending=True, stable=True)[: self.candidates].tolist())

    def score(self, model: "Clip", context: "Context") -> float:
        encoder = frozen(model)
        classifier = encoder.classifier(context.class_names, context.templates)
        images = shadow_images(context.clean_images, self.shadow, derive(context.seed, "shadow"))
        how = PatchSearch(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            success=float(np.log(self.success)),
            factor=2.0,
        )
        norms = []
        for number in self.suspects(encoder, images, classifier, derive(context.seed, "candidates")):

            def reached(pixels: Tensor, number: int = number) -> Tensor:
                goal = torch.full((len(pixels),), number, device=pixels.device)
                return -functional.cross_entropy(class_logits(encoder, classifier, pixels), goal)

            mask, _ = search_patch(encoder, images, reached, how, derive(context.seed, "patch", number))
            norms.append(float(mask.sum()))
        return anomaly(norms)
