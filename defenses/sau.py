"""SAU, shared adversarial unlearning (arXiv 2307.10562): unlearn adversarial images that also fool the suspect model.

Inside every step images are perturbed so that the model in training and the suspect model are fooled alike; the model
then learns to classify clean images and to disagree with the suspect model's adversarial labels.

Differs from the paper: class probabilities come from the zero-shot classifier of the suspect model, and only the vision
tower moves; AdamW with the model's recipe, and fewer rounds than the paper's 100. The box of 0.2 is the paper's, for
images of 32 pixels. BatchNorm stays in evaluation mode, as in the published code.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from benchmark.adversarial import ascended
from benchmark.objectives import class_logits, evaluating, frozen
from benchmark.ranges import BatchSize, Count, NonNegative, Positive, ShareOrZero
from benchmark.types import Batch, Loss, Point

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context, Need


def mean_over(values: Tensor, chosen: Tensor) -> Tensor:
    """The mean of the chosen values, 0 if there is none."""
    return (values * chosen).sum() / chosen.sum().clamp(min=1)


def jensen_shannon(first: Tensor, second: Tensor) -> Tensor:
    """The divergence (B,) of two sets of logits (B, C), in [0, ln 2]."""
    p, q = first.softmax(dim=1), second.softmax(dim=1)
    middle = ((p + q) / 2).clamp(min=1e-8).log()
    parts = [(x * (x.clamp(min=1e-8).log() - middle)).sum(dim=1) for x in (p, q)]
    return (parts[0] + parts[1]) / 2


def sharing(ours: Tensor, theirs: Tensor, labels: Tensor, adversarial: float, shared: float) -> Tensor:
    """What the perturbation raises, a scalar: errors where there are none yet, agreement where it is not shared yet."""
    guesses = ours.argmax(dim=1), theirs.argmax(dim=1)
    wrong = [guess != labels for guess in guesses]
    errors = [
        mean_over(functional.cross_entropy(logits, labels, reduction="none"), ~fooled)
        for logits, fooled in zip((ours, theirs), wrong, strict=True)
    ]
    unshared = ~(wrong[0] & wrong[1] & (guesses[0] == guesses[1]))
    return adversarial * (errors[0] + errors[1]) / 2 - shared * mean_over(jensen_shannon(ours, theirs), unshared)


def disagreement(ours: Tensor, theirs_clean: Tensor, theirs: Tensor, labels: Tensor) -> Tensor:
    """L_sh: minus the log-probability of leaving the suspect model's adversarial label, where that is an error."""
    label = theirs.argmax(dim=1)
    fooled = (label != labels) & (label != theirs_clean.argmax(dim=1))
    p = ours.softmax(dim=1)
    given = p.gather(1, label[:, None]).squeeze(1)
    rest = (p.sum(dim=1) - given).clamp(min=0)
    return -(((1e-6 + rest).log() + (1 + 1e-6 - given).log()) * fooled).sum() / (2 * len(labels))


@dataclass(frozen=True, kw_only=True)
class Sau:
    """Shared adversarial unlearning, vision tower only; one point per epoch, strength = epochs done.

    Args:
        epochs: passes over the labelled images.
        learning_rate: peak learning rate; None takes the model's recipe.
        batch_size: images per step; None takes the model's recipe.
        radius: half the side of the box around an image, in [0, 1] as pixels are.
        steps: sign steps of length ``radius`` per image.
        adversarial_weight: beta_1, of errors, inside.
        shared_weight: beta_2, of agreement, inside.
        unlearn_weight: lambda_3, of disagreement with the suspect model's adversarial labels.
    """

    epochs: Count = 2
    learning_rate: Positive | None = None
    batch_size: BatchSize | None = None
    radius: ShareOrZero = 0.2
    steps: Count = 5
    adversarial_weight: NonNegative = 0.01
    shared_weight: NonNegative = 1.0
    unlearn_weight: NonNegative = 1.0

    needs: ClassVar[frozenset["Need"]] = frozenset({"clean_pairs", "labels"})

    def objective(self, teacher: "Clip", classifier: Tensor) -> Loss:
        """The loss against the frozen suspect model, with its zero-shot classifier (C, D)."""

        def loss(model: "Clip", batch: Batch) -> Tensor:
            assert batch.labels is not None
            labels = batch.labels

            def inner(pixels: Tensor) -> Tensor:
                ours, theirs = (class_logits(clip, classifier, pixels) for clip in (model, teacher))
                return sharing(ours, theirs, labels, self.adversarial_weight, self.shared_weight)

            start = torch.full_like(batch.images, self.radius)
            with evaluating(model):
                fooling = ascended(
                    batch.images, inner, start=start, radius=self.radius, step_size=self.radius, steps=self.steps
                )
            with evaluating(model):  # the statistics of clean images stay those of clean images
                clean, ours = class_logits(model, classifier, torch.cat([batch.images, fooling])).chunk(2)
            with torch.no_grad():
                theirs_clean, theirs = class_logits(teacher, classifier, torch.cat([batch.images, fooling])).chunk(2)
            told = functional.cross_entropy(clean, labels)
            return told + self.unlearn_weight * disagreement(ours, theirs_clean, theirs, labels)

        return loss

    def __call__(self, model: "Clip", context: "Context") -> Iterator[Point]:
        classifier = model.classifier(context.class_names, context.templates)
        snapshots = context.train(
            model,
            context.clean_pairs,
            loss=self.objective(frozen(model), classifier),
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            parts="vision",
        )
        for epoch, snapshot in enumerate(snapshots, start=1):
            yield Point(float(epoch), snapshot)
