"""I-BAU, adversarial unlearning by implicit hypergradient (arXiv 2110.03735).

Rounds of two parts: one perturbation for all images that makes the model err, then training against it, where the
gradient also carries how the best perturbation moves with the weights, found by a few fixed-point iterations.

Differs from the paper: the zero-shot classifier of the suspect model gives the classes, and only the vision tower
moves; AdamW with the model's recipe, fewer rounds. The perturbation lives in pixels divided by CLIP's deviation, the
weight of its norm scales with the number of pixels (0.001 at 32 pixels), and at least one image of a batch carries it.
BatchNorm stays in evaluation mode, as in the published code.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmark.objectives import class_logits, evaluating, frozen, movable, with_gradients
from benchmark.pixels import to_float
from benchmark.ranges import BatchSize, Count, CountOrZero, NonNegative, Positive, Share
from benchmark.seeds import derive
from benchmark.types import Batch, Loss, Point

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, ImageSource, Need

_DEVIATION = 0.27  # of CLIP's normalised pixels, the mean over channels


@dataclass(frozen=True, kw_only=True)
class IBau:
    """Minimax training against a universal perturbation, vision tower only; one point per round, strength = rounds.

    Args:
        rounds: repetitions of both parts.
        learning_rate: peak learning rate of each round; None takes the model's recipe.
        batch_size: images per step; None takes the model's recipe.
        perturbation_rate: learning rate of the perturbation.
        norm_weight: weight of the perturbation's squared norm at 32 pixels.
        share: of a batch that carries the perturbation, in (0, 1].
        implicit_steps: fixed-point iterations; 0 leaves the implicit term out.
        inner_rate: step of the fixed-point map.
    """

    rounds: Count = 2
    learning_rate: Positive | None = None
    batch_size: BatchSize | None = None
    perturbation_rate: Positive = 10.0
    norm_weight: NonNegative = 0.001
    share: Share = 0.01
    implicit_steps: CountOrZero = 5
    inner_rate: Positive = 0.1

    needs: ClassVar[frozenset["Need"]] = frozenset({"clean_pairs", "labels"})

    def inner(self, model: "Clip", classifier: Tensor, images: Tensor, delta: Tensor) -> Tensor:
        """What the perturbation lowers: minus the cross-entropy to the model's own labels, plus its squared norm."""
        with torch.no_grad():
            seen = class_logits(model, classifier, images).argmax(dim=1)
        logits = class_logits(model, classifier, images + _DEVIATION * delta)
        weight = self.norm_weight * (32 / images.shape[-1]) ** 2
        return weight * delta.square().sum() - functional.cross_entropy(logits, seen)

    def perturbation(self, model: "Clip", classifier: Tensor, images: "ImageSource", seed: int) -> Tensor:
        """One pass of plain gradient descent over all images, from zero; (1, 3, S, S)."""
        size, batch = model.image_size, self.batch_size or model.spec.finetune.batch_size
        delta = torch.zeros(1, 3, size, size, device=model.device)
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
        for rows in order.split(batch):
            delta.requires_grad_(True)
            (slope,) = torch.autograd.grad(
                self.inner(model, classifier, to_float(images[rows], model.device), delta), [delta]
            )
            delta = (delta - self.perturbation_rate * slope).detach()
        return delta

    def objective(self, classifier: Tensor, delta: Tensor) -> Loss:
        """The outer loss, whose gradient has the implicit term."""

        def loss(model: "Clip", batch: Batch) -> Tensor:
            assert batch.labels is not None
            moved = delta.clone().requires_grad_(True)
            count = math.ceil(self.share * len(batch.images))
            carried = torch.cat([batch.images[:count] + _DEVIATION * moved, batch.images[count:]])
            with evaluating(model):
                outer = functional.cross_entropy(class_logits(model, classifier, carried), batch.labels)
            if not self.implicit_steps:
                return outer
            parameters = movable(model)
            slope, *gradients = torch.autograd.grad(outer, [moved, *parameters], allow_unused=True)
            implicit = self._implicit(model, classifier, batch.images, moved, slope)
            total = [
                None if g is None else g - self.inner_rate * (0 if h is None else h)
                for g, h in zip(gradients, implicit, strict=True)
            ]
            return with_gradients(outer, parameters, total)

        return loss

    def _implicit(
        self, model: "Clip", classifier: Tensor, images: Tensor, delta: Tensor, slope: Tensor
    ) -> list[Tensor | None]:
        """Per parameter, the mixed derivative of the inner loss times the fixed point of v = slope + (1 - r H) v."""
        with evaluating(model), sdpa_kernel(SDPBackend.MATH):
            (inner,) = torch.autograd.grad(self.inner(model, classifier, images, delta), [delta], create_graph=True)
            v = slope
            for _ in range(self.implicit_steps):
                (curved,) = torch.autograd.grad(inner, [delta], grad_outputs=v, retain_graph=True)
                v = slope + v - self.inner_rate * curved
            return list(torch.autograd.grad(inner, movable(model), grad_outputs=v, allow_unused=True))

    def __call__(self, model: "Clip", context: "Context") -> Iterator[Point]:
        classifier, pairs, current = (
            model.classifier(context.class_names, context.templates),
            context.clean_pairs,
            model,
        )
        for number in range(1, self.rounds + 1):
            seed = derive(context.seed, "perturbation", number)
            delta = self.perturbation(frozen(current), classifier, pairs.images, seed)
            (current,) = context.train(
                current,
                pairs,
                loss=self.objective(classifier, delta),
                epochs=1,
                learning_rate=self.learning_rate,
                batch_size=self.batch_size,
                parts="vision",
            )
            yield Point(float(number), current)
