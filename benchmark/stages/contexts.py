"""Contexts: the training loop bound to a cell, and the granted resources and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from benchmark.architectures import Recipe
from benchmark.classification import ZeroShotHead
from benchmark.errors import ClipdefenseError
from benchmark.jobs import Job
from benchmark.models import Clip
from benchmark.progress import Progress, Silent
from benchmark.training import Meter, Part, overridden, train
from benchmark.types import Context, Loss, Pairs, Train


def _against(head: ZeroShotHead, model: Clip, pairs: Pairs, parts: Part) -> Loss:
    if parts == "text":
        raise ClipdefenseError("the classification protocol trains the vision tower; give a loss for the text tower")
    return head.loss(model, pairs)


def bound_train(
    recipe: Recipe,
    *,
    seed: int,
    precision: str = "float32",
    meter: Meter | None = None,
    progress: Progress | None = None,
    description: str = "training",
    head: ZeroShotHead | None = None,
) -> Train:
    """The training loop from one seed with a recipe as defaults; a head makes its loss that of classification."""

    def run(
        model: Clip,
        pairs: Pairs,
        *,
        loss: Loss | None = None,
        epochs: int | None = None,
        learning_rate: float | None = None,
        batch_size: int | None = None,
        weight_decay: float | None = None,
        warmup_steps: int | None = None,
        parts: Part = "both",
    ) -> Iterator[Clip]:
        changed = overridden(
            recipe,
            epochs=epochs,
            learning_rate=learning_rate,
            batch_size=batch_size,
            weight_decay=weight_decay,
            warmup_steps=warmup_steps,
        )
        if loss is None and head is not None:
            loss, parts = _against(head, model, pairs, parts), "vision"
        return train(
            model,
            pairs,
            changed,
            seed=seed,
            loss=loss,
            part=parts,
            precision=precision,
            meter=meter,
            progress=progress or Silent(),
            description=description,
        )

    return run


def head_of(job: Job) -> ZeroShotHead | None:
    """The head that a job's matrix trains against, or None under the contrastive protocol."""
    if job.matrix.protocol.kind == "contrastive":
        return None
    return ZeroShotHead(class_names=tuple(job.dataset.class_names), templates=tuple(job.dataset.templates))


def make_context(
    *,
    class_names: Sequence[str],
    templates: Sequence[str],
    seed: int,
    device: torch.device,
    train: Train,
    resources: Mapping[str, Any],
) -> Context:
    """A Context over exactly these resources."""
    return Context(
        class_names=tuple(class_names),
        templates=tuple(templates),
        seed=seed,
        device=device,
        train=train,
        resources=dict(resources),
    )
