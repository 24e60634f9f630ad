"""Stage 1: a clean model, trained from scratch for the embedded architectures and loaded for all others."""

from __future__ import annotations

import torch

from benchmark.architectures import ModelSpec
from benchmark.models import Clip
from benchmark.progress import Progress
from benchmark.training import last, train
from benchmark.types import Pairs


def pretrain(
    spec: ModelSpec, pairs: Pairs, *, seed: int, device: torch.device, precision: str, progress: Progress
) -> Clip:
    """Trains an embedded architecture from scratch with its recipe."""
    assert spec.pretrain is not None
    untrained = Clip.untrained(spec, seed).to(device)
    snapshots = train(
        untrained,
        pairs,
        spec.pretrain,
        seed=seed,
        precision=precision,
        progress=progress,
        description=f"pretraining {spec.name}",
    )
    return last(snapshots)
