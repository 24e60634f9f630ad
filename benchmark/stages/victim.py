"""Stage 2: the victim, a fine-tune of the clean model on pairs of which some are poisoned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmark.architectures import Recipe
from benchmark.models import Clip
from benchmark.poisoning import poison
from benchmark.progress import Progress
from benchmark.training import last, train
from benchmark.types import Attack, Batch, Context, Loss, Objective, Pairs


def training_pairs(attack: Attack | None, pairs: Pairs, poisons: int, templates: Sequence[str], seed: int) -> Pairs:
    """What the victim is trained on; without an attack, the clean pairs themselves."""
    return pairs if attack is None else poison(attack, pairs, poisons, seed, templates)


def train_victim(
    clean: Clip,
    attack: Attack | None,
    pairs: Pairs,
    recipe: Recipe,
    *,
    context: Context,
    precision: str,
    progress: Progress,
    description: str,
) -> Clip:
    """Fine-tunes the clean model on poisoned pairs, under the attack's own loss where it has one."""
    loss: Loss | None = None
    if isinstance(attack, Objective):
        objective: Any = attack

        def loss(model: Clip, batch: Batch) -> Any:
            return objective.loss(model, batch, context)

    snapshots = train(
        clean,
        pairs,
        recipe,
        seed=context.seed,
        loss=loss,
        precision=precision,
        progress=progress,
        description=description,
    )
    return last(snapshots)
