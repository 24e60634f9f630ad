"""The one training loop: a copy of a model, pairs, a recipe and a loss in; a snapshot after every epoch out."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from benchmark.architectures import Recipe
from benchmark.data.loading import Parts, prefetched
from benchmark.errors import Diverged
from benchmark.losses import model_loss
from benchmark.models import Clip
from benchmark.pixels import coin_flips, mirrored, shift_offsets, shifted, to_float
from benchmark.progress import Progress, Silent
from benchmark.types import Batch, Loss, Pairs

Part = Literal["both", "vision", "text"]


@dataclass
class Meter:
    """What training has used so far, summed over all calls that share the meter."""

    steps: int = 0
    pairs: int = 0
    trainable: int = 0


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """bfloat16 autocast where the precision asks for it, nothing otherwise."""
    if precision == "bfloat16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def set_training_mode(module: nn.Module, batch_norm: str) -> None:
    """Training mode, with running statistics of BatchNorm kept where the policy is "frozen"."""
    module.train()
    if batch_norm == "frozen":
        for layer in module.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.eval()


def optimiser(model: Clip, recipe: Recipe, part: Part) -> torch.optim.AdamW:
    """AdamW over one tower or both; weight decay on matrices only."""
    chosen = model.trainable(part)
    names = {name for name, _ in chosen}
    for name, parameter in model.module.named_parameters():
        parameter.requires_grad_(name in names)
    groups = [
        {"params": [p for _, p in chosen if p.ndim >= 2], "weight_decay": recipe.weight_decay},
        {"params": [p for _, p in chosen if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, recipe.beta2), fused=True)


def learning_rate(recipe: Recipe, step: int, total: int) -> float:
    """Linear warm-up, then a cosine that reaches zero at the last step."""
    warmup = min(recipe.warmup_steps, total // 10)
    if step < warmup:
        return recipe.learning_rate * (step + 1) / warmup
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def epoch_rows(count: int, batch_size: int, generator: torch.Generator) -> list[Tensor]:
    """A fresh order of all pairs, in batches; a last batch of fewer than two pairs is dropped."""
    batches = torch.randperm(count, generator=generator).split(batch_size)
    return [batch for batch in batches if len(batch) > 1]


class Trainer:
    """One training run: everything that the steps share."""

    def __init__(self, model: Clip, pairs: Pairs, recipe: Recipe, *, loss: Loss, seed: int, part: Part, precision: str):
        self.model, self.pairs, self.recipe, self.loss = model.clone(), pairs, recipe, loss
        self.precision = precision
        self.generator = torch.Generator().manual_seed(seed)
        self.optimiser = optimiser(self.model, recipe, part)
        self.parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        self.tokens = self.model.tokenize(pairs.captions)

    def reads(self, order: Iterable[Tensor]) -> Iterator[Callable[[], Parts]]:
        """What reads the batches of an epoch, augmentation already drawn: batches may be read in any thread."""
        for rows in order:
            count, recipe = len(rows), self.recipe
            offsets = shift_offsets(count, recipe.shift, self.generator) if recipe.shift else None
            flips = coin_flips(count, self.generator) if recipe.flip else None
            yield partial(self._read, rows, offsets, flips)

    def _read(self, rows: Tensor, offsets: Tensor | None, flips: Tensor | None) -> Parts:
        """The pairs at ``rows``, still 8-bit and on the CPU, with how their images are augmented."""
        pairs = self.pairs
        labels = None if pairs.labels is None else pairs.labels[rows]
        return pairs.images[rows], self.tokens[rows], labels, pairs.ids[rows], rows, offsets, flips

    def on_device(self, parts: Parts) -> Batch:
        """What was read, as the loss sees it; nothing that the host would wait for."""
        device = self.model.device
        moved = [None if part is None else part.to(device, non_blocking=True) for part in parts]
        pixels, tokens, labels, ids, rows, offsets, flips = moved
        assert pixels is not None and tokens is not None and ids is not None and rows is not None
        images = to_float(pixels)
        if offsets is not None:
            images = shifted(images, self.recipe.shift, offsets)
        if flips is not None:
            images = mirrored(images, flips)
        return Batch(images, tokens, labels, ids, rows)

    def batches(self, order: Iterable[Tensor]) -> Iterator[Batch]:
        """The batches of an epoch, on the device."""
        return map(self.on_device, prefetched(self.reads(order), self.model.device))

    def step(self, batch: Batch, rate: float) -> Tensor:
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with autocast(self.model.device, self.precision):
            loss = self.loss(self.model, batch)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip_norm)
        self.optimiser.step()
        self.model.clamp_logit_scale()
        return loss.detach()

    def snapshot(self, *, final: bool) -> Clip:
        """The model as it is now, in evaluation mode; a copy, unless nothing will change the model any more."""
        self.optimiser.zero_grad(set_to_none=True)
        found = self.model if final else self.model.clone()
        found.module.eval().requires_grad_(True)
        return found


def train(
    model: Clip,
    pairs: Pairs,
    recipe: Recipe,
    *,
    seed: int,
    loss: Loss | None = None,
    part: Part = "both",
    precision: str = "float32",
    meter: Meter | None = None,
    progress: Progress | None = None,
    description: str = "training",
) -> Iterator[Clip]:
    """Trains a copy of ``model`` and yields an independent snapshot in evaluation mode after every epoch.

    Args:
        model: the start; never changed.
        pairs: what to train on, reshuffled every epoch.
        seed: fixes order and augmentation.
        loss: maps (model, batch) to a scalar; by default the contrastive loss named by the model's recipe.
        part: which tower's weights move.
        precision: "float32", or "bfloat16" for autocast with float32 weights.
        meter: counts steps and pairs.
        progress: shows a bar that says ``description``.

    Raises:
        Diverged: the loss of an epoch is not finite.
    """
    run = Trainer(model, pairs, recipe, loss=loss or model_loss(model), seed=seed, part=part, precision=precision)
    meter = meter if meter is not None else Meter()
    meter.trainable = max(meter.trainable, sum(p.numel() for p in run.parameters))
    total = len(epoch_rows(len(pairs), recipe.batch_size, torch.Generator())) * recipe.epochs
    if not total:
        raise Diverged(f"{description}: {len(pairs)} pairs make no step; give at least two pairs and one epoch")
    step = 0
    with (progress or Silent()).task(description, total) as advance:
        for epoch in range(recipe.epochs):
            set_training_mode(run.model.module, recipe.batch_norm)
            losses = torch.zeros((), device=run.model.device)
            order = epoch_rows(len(pairs), recipe.batch_size, run.generator)
            for batch in run.batches(order):
                losses += run.step(batch, learning_rate(recipe, step, total))
                step += 1
                meter.steps += 1
                meter.pairs += len(batch.rows)
                advance(1)
            if not math.isfinite(losses.item()):
                raise Diverged(f"{description}: loss not finite after epoch {epoch + 1}; lower the learning rate")
            yield run.snapshot(final=epoch + 1 == recipe.epochs)


def last(snapshots: Iterator[Clip]) -> Clip:
    """The model after the last epoch; those before it are dropped as they come."""
    return deque(snapshots, maxlen=1).pop()


def overridden(recipe: Recipe, **changes: Any) -> Recipe:
    """The recipe with every change that is not None applied."""
    return replace(recipe, **{name: value for name, value in changes.items() if value is not None})
