"""Stage 2: the victim, a fine-tune of the clean model on pairs of which some are poisoned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmark.models import Clip
from benchmark.poisoning import poison
from benchmark.training import last
from benchmark.types import Attack, Batch, Context, Loss, Objective, Pairs


def training_pairs(attack: Attack | None, pairs: Pairs, poisons: int, templates: Sequence[str], seed: int) -> Pairs:
    """What the victim is trained on; without an attack, the clean pairs themselves."""
    return pairs if attack is None else poison(attack, pairs, poisons, seed, templates)


def train_victim(
    clean: Clip, attack: Attack | None, pairs: Pairs, context: Context, learning_rate: float | None = None
) -> Clip:
    """Fine-tunes the clean model on poisoned pairs with the training loop of the attacker's context.

    An attack with a loss of its own trains with that; the others minimise the loss of the protocol.

    Args:
        clean: the start.
        attack: None for a benign victim.
        pairs: what to train on, poisons included.
        context: the attacker's.
        learning_rate: of a rung of a ladder; None takes that of the training loop.
    """
    loss: Loss | None = None
    if isinstance(attack, Objective):
        objective: Any = attack

        def loss(model: Clip, batch: Batch) -> Any:
            return objective.loss(model, batch, context)

    return last(context.train(clean, pairs, loss=loss, learning_rate=learning_rate))
