"""Rebound: whether a backdoor comes back when its defended model is fine-tuned on clean pairs."""

from __future__ import annotations

from benchmark.architectures import Recipe
from benchmark.evaluation import Probe, measure
from benchmark.models import Clip
from benchmark.progress import Progress
from benchmark.training import train
from benchmark.types import Pairs


def rebound(
    model: Clip, pairs: Pairs, recipe: Recipe, probe: Probe, *, seed: int, precision: str, progress: Progress
) -> float:
    """The highest attack success after any epoch of fine-tuning; in [0, 1].

    Args:
        model: the defended model; never changed.
        pairs: the defender's clean pairs; their labels are not used.
        recipe: how long and how fast.
        probe: what every epoch's model is measured on.
        seed: fixes order and augmentation.
        precision: of training and measuring.
        progress: shows a bar.

    Raises:
        Diverged: the loss of an epoch is not finite.
    """
    snapshots = train(
        model, pairs.without_labels(), recipe, seed=seed, precision=precision, progress=progress, description="rebound"
    )
    return max(measure(snapshot, probe, precision).metrics["attack_success_rate"] for snapshot in snapshots)
