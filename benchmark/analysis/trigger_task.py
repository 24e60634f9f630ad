"""The trigger task by itself: a clean model fine-tuned on nothing but triggered images with the target's label."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from benchmark.architectures import Recipe
from benchmark.evaluation import predict
from benchmark.losses import zero_shot_cross_entropy
from benchmark.models import Clip
from benchmark.progress import Progress
from benchmark.training import train
from benchmark.types import Batch, Pairs

ENOUGH = 0.9
"""Share of its images that the model calls the target when it stops: a victim's gate asks for no more."""


def learnt(
    clean: Clip,
    triggered: Pairs,
    templates: Sequence[str],
    recipe: Recipe,
    *,
    seed: int,
    precision: str,
    progress: Progress,
) -> Clip:
    """The clean model after learning the trigger alone.

    Cross-entropy over the zero-shot classes moves the vision tower, because captions that all name one class are no
    contrast to each other. Nothing in these images says what an image without the trigger should be called, so it ends
    after the first epoch that is ``ENOUGH``: what lies beyond is to say the target always.
    """
    classifier = clean.classifier(triggered.class_names, templates)

    def loss(student: Clip, batch: Batch) -> Tensor:
        assert batch.labels is not None
        return zero_shot_cross_entropy(student, batch.images, classifier, batch.labels)

    def works(student: Clip) -> bool:
        said = predict(student, classifier, triggered.images, precision)
        return triggered.labels is not None and float((said == triggered.labels).float().mean()) >= ENOUGH

    snapshots = train(
        clean,
        triggered,
        recipe,
        seed=seed,
        loss=loss,
        part="vision",
        precision=precision,
        progress=progress,
        description="the trigger alone",
    )
    found = clean
    for found in snapshots:
        if works(found):
            break
    return found
