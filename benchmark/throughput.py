"""Images per second of training and evaluation, against the bare model on data that lies on its device already.

Both run in turns within one measurement, so that a machine that slows down slows both, and the fastest turn of each
counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from benchmark.architectures import Recipe
from benchmark.evaluation import Probe, measure, predict
from benchmark.losses import model_loss
from benchmark.metering import PeakMemory, synchronised
from benchmark.models import Clip
from benchmark.pixels import to_float
from benchmark.training import autocast, last, optimiser, overridden, set_training_mode, train
from benchmark.types import Attack, Batch, Pairs

EVALUATION_BATCH = 500
Work = Callable[[], Any]


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """Images per second; ``peak_memory`` in bytes while our own code ran for the first time."""

    ours: float
    bare: float
    peak_memory: int

    @property
    def ratio(self) -> float:
        return self.ours / self.bare


@dataclass(frozen=True, kw_only=True)
class Race:
    """Our own code and the bare model, each on as many images."""

    ours: Work
    bare: Work
    images: int
    device: torch.device

    def run(self, rounds: int) -> Throughput:
        """Runs both once unmeasured, then in turns."""
        with PeakMemory(self.device) as memory:
            self.ours()
        self.bare()
        times = [(seconds(self.ours, self.device), seconds(self.bare, self.device)) for _ in range(rounds)]
        ours, bare = (self.images / min(column) for column in zip(*times, strict=True))
        return Throughput(ours=ours, bare=bare, peak_memory=memory.bytes)


def seconds(work: Work, device: torch.device) -> float:
    """How long work takes, until the device has done all of it."""
    synchronised(device)
    started = time.perf_counter()
    work()
    synchronised(device)
    return time.perf_counter() - started


def training_race(model: Clip, pairs: Pairs, recipe: Recipe, precision: str = "float32") -> Race:
    """One epoch of the training loop against as many forward passes, backward passes and steps on one batch.

    The steps on the one batch have length zero: learning it by heart would leave gradients too small to be quick.
    """
    once, count = overridden(recipe, epochs=1), len(pairs) // recipe.batch_size
    bare, loss = model.clone(), model_loss(model)
    step, rows = optimiser(bare, overridden(once, learning_rate=0.0), "both"), torch.arange(recipe.batch_size)
    tokens, ids = bare.tokenize(pairs.captions)[rows].to(bare.device), pairs.ids[rows].to(bare.device)
    batch = Batch(to_float(pairs.images[rows], bare.device), tokens, None, ids, rows.to(bare.device))

    def bare_steps() -> None:
        set_training_mode(bare.module, once.batch_norm)
        for _ in range(count):
            with autocast(bare.device, precision):
                value = loss(bare, batch)
            step.zero_grad(set_to_none=True)
            value.backward()
            step.step()

    taken = pairs.take(torch.arange(count * recipe.batch_size))
    return Race(
        ours=lambda: last(train(model, taken, once, seed=0, precision=precision)),
        bare=bare_steps,
        images=len(taken),
        device=model.device,
    )


def _bare_passes(model: Clip, pairs: Pairs, count: int, precision: str) -> Work:
    images = to_float(pairs.images[torch.arange(EVALUATION_BATCH)], model.device)

    @torch.inference_mode()
    def passes() -> None:
        model.module.eval()
        for _ in range(count):
            with autocast(model.device, precision):
                model.encode_images(images)

    return passes


def evaluation_race(model: Clip, pairs: Pairs, templates: Sequence[str], precision: str = "float32") -> Race:
    """Predictions on clean images against forward passes on one batch."""
    classifier, count = model.classifier(pairs.class_names, templates), len(pairs) // EVALUATION_BATCH
    taken = pairs.take(torch.arange(count * EVALUATION_BATCH))
    return Race(
        ours=lambda: predict(model, classifier, taken.images, precision),
        bare=_bare_passes(model, pairs, count, precision),
        images=len(taken),
        device=model.device,
    )


def probe_race(model: Clip, attack: Attack, pairs: Pairs, templates: Sequence[str], precision: str = "float32") -> Race:
    """All metrics on clean and triggered images, text classifier included, against forward passes on one batch."""
    count = len(pairs) // EVALUATION_BATCH
    taken = pairs.take(torch.arange(count * EVALUATION_BATCH))
    probe = Probe.of(attack, taken, templates, model.image_size)
    routes = 1 + len(probe.triggered)
    return Race(
        ours=lambda: measure(model, probe, precision),
        bare=_bare_passes(model, pairs, routes * count, precision),
        images=routes * len(taken),
        device=model.device,
    )
