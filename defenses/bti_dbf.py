"""BTI-DBF (ICLR 2024, OpenReview Tw9wemV6cb): invert the trigger by decoupling benign features.

First a mask over features: those that suffice for the model's predictions on clean images are benign, the others are
the backdoor's. Then a generator that changes an image little, keeps the benign features and moves the others.

Differs from the paper: features are the embeddings before normalisation, divided by their root mean square, and the
zero-shot classifier reads them; predictions of the model stand for labels; the generator is a small two-scale network
that starts near the identity instead of a pretrained U-Net; fewer images. No unlearning between the rounds, of which
the second adds the cross-entropy to the target that the first one found.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from benchmark.generators import LearntGenerator, generated, initial_weights
from benchmark.inversion import elicited, shadow_images
from benchmark.objectives import frozen
from benchmark.pixels import to_float
from benchmark.ranges import Count, NonNegative, Positive
from benchmark.seeds import derive

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Attack, Context, Need

_DEVIATION = 0.27  # of CLIP's normalised pixels, in which the bound on the change of an image is given


class _Reader:
    """The frozen suspect model's features (B, D) of images, and its zero-shot logits of features."""

    def __init__(self, model: "Clip", context: "Context", images: Tensor) -> None:
        self.model = frozen(model)
        self.classifier = model.clone().classifier(context.class_names, context.templates)
        self.scale = torch.ones((), device=model.device)
        with torch.no_grad():
            found = torch.cat([self.features(to_float(part, model.device)) for part in images.split(256)])
        self.scale = found.square().mean().sqrt()
        self.clean = found / self.scale
        self.labels = self.logits(self.clean).argmax(dim=1)

    def features(self, pixels: Tensor) -> Tensor:
        return self.model.image_features(pixels) / self.scale

    def logits(self, features: Tensor) -> Tensor:
        return self.model.logit_scale * functional.normalize(features, dim=1) @ self.classifier.T


@dataclass(frozen=True, kw_only=True)
class BtiDbf:
    """Inverts a generator of triggers from unlabelled images.

    Args:
        shadow: number of images.
        mask_epochs: passes that decouple the features.
        mask_learning_rate: of Adam on the mask.
        epochs: passes of each round of the generator.
        learning_rate: of Adam on the generator.
        batch_size: images per step.
        rounds: of the generator; from the second on the target is known.
        image_bound: mean squared change of normalised pixels above which only the change is lowered.
        feature_bound: the same of benign features.
        benign_weight: weight of keeping the benign features.
        width: channels of the generator.
    """

    shadow: Count = 512
    mask_epochs: Count = 20
    mask_learning_rate: Positive = 0.01
    epochs: Count = 30
    learning_rate: Positive = 0.001
    batch_size: Count = 128
    rounds: Count = 2
    image_bound: Positive = 0.3
    feature_bound: Positive = 3.0
    benign_weight: NonNegative = 0.01
    width: Count = 16

    needs: ClassVar[frozenset["Need"]] = frozenset({"clean_images"})

    def benign_mask(self, reader: _Reader, source: torch.Generator) -> Tensor:
        """Mask (D,) in [0, 1], high on the features that the predictions on clean images rest on."""
        values = torch.rand(reader.clean.shape[1], generator=source).to(reader.clean.device).requires_grad_(True)
        optimiser = torch.optim.Adam([values], lr=self.mask_learning_rate)
        for _ in range(self.mask_epochs):
            for rows in torch.randperm(len(reader.clean), generator=source).split(self.batch_size):
                mask, features, labels = (torch.tanh(values) + 1) / 2, reader.clean[rows], reader.labels[rows]
                kept = functional.cross_entropy(reader.logits(mask * features), labels)
                lost = functional.cross_entropy(reader.logits((1 - mask) * features), labels)
                optimiser.zero_grad()
                (kept - lost).backward()
                optimiser.step()
        return ((torch.tanh(values) + 1) / 2).detach()

    def loss(self, reader: _Reader, benign: Tensor, pixels: Tensor, changed: Tensor, target: int | None) -> Tensor:
        """What the generator lowers on one batch."""
        change = ((changed - pixels) / _DEVIATION).square().mean()
        with torch.no_grad():
            before = reader.features(pixels)
        after = reader.features(changed)
        kept = (benign * (after - before)).square().mean()
        if change > self.image_bound or kept > self.feature_bound:
            return change
        moved = ((1 - benign) * (after - before)).square().mean()
        total = self.benign_weight * kept - moved
        if target is not None:
            aim = torch.full((len(pixels),), target, device=pixels.device)
            total = total + functional.cross_entropy(reader.logits(after), aim)
        return total

    def __call__(self, model: "Clip", context: "Context") -> "Attack":
        source = torch.Generator().manual_seed(derive(context.seed, "order"))
        images = shadow_images(context.clean_images, self.shadow, derive(context.seed, "shadow"))
        reader = _Reader(model, context, images)
        benign, target = self.benign_mask(reader, source), None
        weights = initial_weights(self.width, derive(context.seed, "generator")).to(model.device).requires_grad_(True)
        found = LearntGenerator(target=context.class_names[0], weights=weights.detach().cpu(), width=self.width)
        for _ in range(self.rounds):
            optimiser = torch.optim.Adam([weights], lr=self.learning_rate)
            for _ in range(self.epochs):
                for rows in torch.randperm(len(images), generator=source).split(self.batch_size):
                    pixels = to_float(images[rows], model.device)
                    changed = generated(pixels, weights, self.width).clamp(0, 1)
                    loss = self.loss(reader, benign, pixels, changed, target)
                    optimiser.zero_grad()
                    loss.backward()
                    optimiser.step()
            found = replace(found, weights=weights.detach().cpu().clone())
            found = replace(found, target=elicited(model.clone(), context, images, found))
            target = context.class_names.index(found.target)
        return found
