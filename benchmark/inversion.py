"""Trigger inversion: the search for a small patch that all images answer to, and the trigger that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from benchmark.evaluation import predict
from benchmark.models import Clip
from benchmark.objectives import frozen
from benchmark.pixels import to_float
from benchmark.poisoning import stamp
from benchmark.types import Attack, Context, ImageSource

Score = Callable[[Tensor], Tensor]
_REFERENCE_SIDE = 224  # published weights of the mask's size were chosen at this image side
_EDGE = 1e-7
_VISIBLE = 0.5


def pasted(images: Tensor, mask: Tensor, pattern: Tensor) -> Tensor:
    """Images (B, 3, H, W) with the pattern (3, H, W) where the mask (1, H, W) in [0, 1] lets it show."""
    return images + mask * (pattern - images)


@dataclass(frozen=True, kw_only=True, eq=False)
class LearntTrigger:
    """A patch that an inverter found; on images of another size it is resized with them.

    Args:
        target: class that the patch elicits, as inferred.
        mask: (1, H, W) in [0, 1].
        pattern: (3, H, W) in [0, 1].
    """

    target: str
    mask: Tensor
    pattern: Tensor

    def trigger(self, images: Tensor, ids: Tensor) -> Tensor:
        parts = [part.to(images) for part in (self.mask, self.pattern)]
        if images.shape[-2:] != self.mask.shape[-2:]:
            parts = [functional.interpolate(part[None], images.shape[-2:], mode="nearest")[0] for part in parts]
        return pasted(images, *parts).clamp(0, 1)


@dataclass(frozen=True, kw_only=True)
class PatchSearch:
    """How a patch is searched for, after DECREE (arXiv 2303.15180).

    Attributes:
        epochs: passes over the images.
        batch_size: images per step.
        learning_rate: of Adam; a fifth of it after a fifth of the epochs, a tenth after half of them.
        success: score that an epoch must reach on average.
        weight: first weight of the mask's L1 norm over three channels, at 224 pixels.
        weight_min: below it the weight does not fall.
        factor: by which the weight grows or falls.
        patience: consecutive successes or failures after which it does.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    success: float
    weight: float = 1e-3
    weight_min: float = 1e-7
    factor: float = 5.0
    patience: int = 5


class _Weight:
    """The weight of the mask's size, raised while the search succeeds and lowered while it fails."""

    def __init__(self, how: PatchSearch) -> None:
        self.how, self.value, self.streak = how, how.weight, 0

    def update(self, success: bool) -> None:
        step = 1 if success else -1
        self.streak = self.streak + step if self.streak * step >= 0 else step
        if abs(self.streak) > self.how.patience:
            if success or self.value >= self.how.weight_min:
                self.value *= self.how.factor**step
            self.streak = 0


def _rate(how: PatchSearch, epoch: int) -> float:
    share = epoch / how.epochs
    return how.learning_rate * (1.0 if share < 0.2 else 0.2 if share < 0.5 else 0.1)


def _unbounded(values: Tensor) -> Tensor:
    return torch.atanh((values - 0.5) * (2 - _EDGE)).requires_grad_(True)


def _bounded(values: Tensor) -> Tensor:
    return torch.tanh(values) / (2 - _EDGE) + 0.5


def search_patch(model: Clip, images: Tensor, score: Score, how: PatchSearch, seed: int) -> tuple[Tensor, Tensor]:
    """The smallest mask (1, S, S) with its pattern (3, S, S) among epochs that reach the success, else the best scored.

    A mask that shows less than half of the pattern everywhere comes after all others.

    Args:
        model: only for device and image size; the score knows what it looks at.
        images: 8-bit (N, 3, S, S).
        score: pasted images (B, 3, S, S) -> a scalar to be raised.
        how: rates and stops.
        seed: of the start and the order.
    """
    source, side = torch.Generator().manual_seed(seed), model.image_size
    start = torch.rand(4, side, side, generator=source).clamp(0.01, 0.99).to(model.device)
    mask, pattern = _unbounded(start[:1]), _unbounded(start[1:])
    optimiser = torch.optim.Adam([mask, pattern], lr=how.learning_rate, betas=(0.5, 0.9))
    weight, scale = _Weight(how), (_REFERENCE_SIDE / side) ** 2
    best: tuple[tuple[bool, bool, float], Tensor, Tensor] | None = None
    for epoch in range(how.epochs):
        for group in optimiser.param_groups:
            group["lr"] = _rate(how, epoch)
        reached = []
        for rows in torch.randperm(len(images), generator=source).split(how.batch_size):
            found = score(pasted(to_float(images[rows], model.device), _bounded(mask), _bounded(pattern)))
            loss = weight.value * scale * 3 * _bounded(mask).sum() - found
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            reached.append(float(found.detach()))
        mean, shown = sum(reached) / len(reached), _bounded(mask).detach().clone()
        success = mean >= how.success
        rank = bool(shown.max() > _VISIBLE), success, -float(shown.sum()) if success else mean
        if best is None or rank > best[0]:
            best = rank, shown, _bounded(pattern).detach().clone()
        weight.update(mean >= how.success)
    assert best is not None
    return best[1], best[2]


def mean_similarity(embeddings: Tensor) -> Tensor:
    """Mean cosine of all pairs of different rows of unit-norm embeddings (B, D)."""
    count = len(embeddings)
    return (embeddings.sum(dim=0).square().sum() - embeddings.square().sum()) / max(1, count * (count - 1))


def levelling_patch(encoder: Clip, images: Tensor, how: PatchSearch, seed: int) -> tuple[Tensor, Tensor]:
    """DECREE's patch (arXiv 2303.15180): the smallest that gives all images the same embedding.

    Args:
        encoder: a frozen model.
        images: 8-bit (N, 3, S, S).
        how: rates and stops; its success is a mean cosine within batches.
        seed: of the search.
    """
    return search_patch(encoder, images, lambda pixels: mean_similarity(encoder.encode_images(pixels)), how, seed)


def shadow_images(images: ImageSource, count: int, seed: int) -> Tensor:
    """At most ``count`` images, 8-bit (N, 3, S, S), drawn from a seed."""
    rows = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))[:count]
    return images[rows]


def elicited(model: Clip, context: Context, images: Tensor, attack: Attack) -> str:
    """The class that 8-bit images (N, 3, S, S) with the trigger are most often taken for."""
    classifier = model.classifier(context.class_names, context.templates)
    guesses = predict(frozen(model), classifier, stamp(attack, images, torch.arange(len(images))))
    return context.class_names[int(guesses.bincount(minlength=len(context.class_names)).argmax())]
