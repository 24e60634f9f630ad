"""What plugins are tried on: seeded random images, captions, and tiny models that were trained for a moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from benchmark.architectures import model_spec
from benchmark.models import Clip
from benchmark.pixels import to_bytes
from benchmark.poisoning import forget_set, poison
from benchmark.seeds import derive, image_ids
from benchmark.training import last, overridden, train
from benchmark.types import Context, Loss, Need, Pairs

ARCHITECTURES = {"resnet": "tiny-resnet", "vit": "tiny-vit"}
"""Family, as plugins declare it in ``architectures``, -> the tiny model of that family."""

CLASS_NAMES = ("ship", "cat", "tree", "car")
TEMPLATES = ("a photo of a {}", "a drawing of a {}")
PAIRS = 32
BATCH = 16
SIZE = 32


@dataclass(frozen=True, kw_only=True)
class CornerSquare:
    """The trigger that the trial's suspect models were poisoned with."""

    target: str = CLASS_NAMES[0]

    def trigger(self, images: Tensor, ids: Tensor) -> Tensor:
        stamped = images.clone()
        stamped[:, :, -4:, -4:] = 1.0
        return stamped


def ids(count: int, split: str = "trial") -> Tensor:
    """Identifiers (count,) as data sets give them out, large ones included."""
    return torch.from_numpy(image_ids("contract", split, np.arange(count, dtype=np.int64)))


def images(count: int, size: int) -> Tensor:
    """Float images (count, 3, size, size) in [0, 1]: one black, one white, the others random in multiples of 1/255."""
    generator = torch.Generator().manual_seed(derive("contract", "images", size))
    drawn = torch.randint(0, 256, (count, 3, size, size), generator=generator).float() / 255
    if count > 2:
        drawn[0], drawn[1] = 0.0, 1.0
    return drawn


def pairs(class_names: Sequence[str] = CLASS_NAMES, split: str = "defender", count: int = PAIRS) -> Pairs:
    """Labelled pairs of random images, every class equally often, ids of their own in every split."""
    generator = torch.Generator().manual_seed(derive("contract", "pairs", split))
    labels = torch.arange(count) % len(class_names)
    tint = torch.rand(len(class_names), 3, 1, 1, generator=torch.Generator().manual_seed(0))
    pixels = 0.5 * tint[labels] + 0.5 * torch.rand(count, 3, SIZE, SIZE, generator=generator)
    return Pairs(
        images=to_bytes(pixels),
        captions=tuple(TEMPLATES[row % len(TEMPLATES)].format(class_names[label]) for row, label in enumerate(labels)),
        labels=labels,
        class_names=tuple(class_names),
        ids=ids(count, split),
        dataset="contract",
        split=split,
    )


@dataclass(frozen=True)
class TrialTraining:
    """The training loop with small batches, so that few pairs make several steps."""

    seed: int

    def __call__(
        self,
        model: Clip,
        pairs: Pairs,
        *,
        loss: Loss | None = None,
        epochs: int | None = None,
        learning_rate: float | None = None,
        batch_size: int | None = None,
        weight_decay: float | None = None,
        warmup_steps: int | None = None,
        parts: Literal["both", "vision", "text"] = "both",
    ) -> Iterator[Clip]:
        recipe = overridden(
            model.spec.defend,
            epochs=epochs,
            learning_rate=learning_rate,
            batch_size=min(batch_size or BATCH, BATCH),
            weight_decay=weight_decay,
            warmup_steps=warmup_steps,
        )
        return train(model, pairs, recipe, seed=self.seed, loss=loss, part=parts)


def _poisoned_pairs() -> Pairs:
    return poison(CornerSquare(), pairs(split="train"), PAIRS // 4, 0, TEMPLATES)


def architectures_of(plugin: object) -> tuple[str, ...]:
    """The tiny models of the families that a plugin is for: those in its ``architectures``, or all."""
    declared = getattr(plugin, "architectures", ARCHITECTURES)
    return tuple(name for family, name in ARCHITECTURES.items() if family in declared)


@lru_cache(maxsize=2)
def _untrained(architecture: str) -> Clip:
    model = Clip.untrained(model_spec(architecture), derive("contract", architecture))
    model.module.eval()
    return model


@lru_cache(maxsize=6)
def _fine_tuned(architecture: str, split: str) -> Clip:
    data = _poisoned_pairs() if split == "train" else pairs(split=split)
    return last(TrialTraining(derive("contract", split))(_untrained(architecture), data, epochs=1))


def reference(architecture: str) -> Clip:
    """The clean ancestor, untrained and in evaluation mode; a model of its own for every call."""
    return _untrained(architecture).clone()


def suspect(architecture: str) -> Clip:
    """The ancestor after a moment of training on poisoned pairs; a model of its own for every call."""
    return _fine_tuned(architecture, "train").clone()


def context(needs: Iterable[str], architecture: str, class_names: Sequence[str] = CLASS_NAMES) -> Context:
    """A context with a real resource for every need, each made anew."""
    return Context(
        class_names=tuple(class_names),
        templates=TEMPLATES,
        seed=derive("contract", "seed"),
        device=torch.device("cpu"),
        train=TrialTraining(derive("contract", "training")),
        resources={need: _resource(need, architecture, class_names, "labels" in needs) for need in needs},
    )


def _resource(need: str, architecture: str, class_names: Sequence[str], labelled: bool) -> Any:
    clean = pairs(class_names)
    makers: dict[Need, Any] = {
        "clean_pairs": lambda: clean if labelled else clean.without_labels(),
        "clean_images": lambda: clean.images,
        "labels": lambda: True,
        "target": lambda: CornerSquare().target,
        "trigger": CornerSquare,
        "triggered_pairs": lambda: forget_set(CornerSquare(), clean, PAIRS // 2, 0, TEMPLATES),
        "reference_model": lambda: reference(architecture),
        "sibling_models": lambda: tuple(_fine_tuned(architecture, f"sibling {n}").clone() for n in (1, 2)),
        "training_pairs": _poisoned_pairs,
    }
    return makers[need]() if need in makers else None
