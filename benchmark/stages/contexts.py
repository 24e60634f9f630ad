"""Contexts: the training loop bound to a cell, and the granted resources and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from benchmark.architectures import Recipe
from benchmark.models import Clip
from benchmark.progress import Progress, Silent
from benchmark.training import Meter, Part, overridden, train
from benchmark.types import Context, Loss, Pairs, Train


def bound_train(
    recipe: Recipe,
    *,
    seed: int,
    precision: str = "float32",
    meter: Meter | None = None,
    progress: Progress | None = None,
    description: str = "training",
) -> Train:
    """The training loop with a recipe as defaults, always from the same seed."""

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
