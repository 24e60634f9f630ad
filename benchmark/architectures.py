"""Which models exist and how each is trained: names, the embedded tiny architectures, and training recipes.

No torch here, so that listing models is instant.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from benchmark.errors import UserError, did_you_mean


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model is trained: AdamW with linear warm-up and a cosine to zero.

    Attributes:
        learning_rate: peak learning rate.
        epochs: passes over the pairs.
        batch_size: pairs per step.
        warmup_steps: steps of linear warm-up, at most a tenth of all steps.
        weight_decay: decoupled decay; none on one-dimensional weights and the logit scale.
        beta2: second AdamW coefficient; the first is 0.9.
        clip_norm: ceiling of the gradient norm.
        equal_captions: "soft" shares the contrastive target among pairs of a batch with the same caption, "distinct"
            is the textbook loss, in which such pairs are each other's negatives.
        batch_norm: "train" updates the running statistics, "frozen" keeps them.
        shift: random translation of the training images in pixels (0: none).
        flip: whether training images are mirrored at random.
    """

    learning_rate: float
    epochs: int
    batch_size: int = 128
    warmup_steps: int = 50
    weight_decay: float = 0.1
    beta2: float = 0.999
    clip_norm: float = 1.0
    equal_captions: Literal["soft", "distinct"] = "distinct"
    batch_norm: Literal["train", "frozen"] = "frozen"
    shift: int = 0
    flip: bool = False


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A model by name, with all that is needed to build it and to train it.

    Attributes:
        name: as the user wrote it.
        architecture: an open_clip architecture name, or a tiny one.
        tag: open_clip's pretrained tag, or None.
        checkpoint: path of a local checkpoint, or None.
        config: keyword arguments of ``open_clip.CLIP`` for an embedded architecture; empty for open_clip's own.
        pretrain: recipe for training from scratch, or None where weights are loaded.
        finetune: recipe of victims, which start from clean weights.
        defend: recipe of defenses, which start from a victim; gentler, because there are fewer pairs.
    """

    name: str
    architecture: str
    tag: str | None = None
    checkpoint: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    pretrain: Recipe | None = None
    finetune: Recipe
    defend: Recipe


_TINY_TEXT = {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 4, "layers": 1}
WIDTHS = (4, 8, 32, 64)
"""Widths in which the embedded ResNet comes besides its own 16: ``tiny-resnet-w8`` and so on, for capacity sweeps."""

_TINY_VISION: dict[str, dict[str, Any]] = {
    "tiny-resnet": {"layers": (1, 1, 1, 1), "width": 16, "image_size": 32},
    "tiny-vit": {"layers": 4, "width": 128, "head_width": 32, "patch_size": 8, "image_size": 32},
}
_TINY_VISION |= {f"tiny-resnet-w{width}": {**_TINY_VISION["tiny-resnet"], "width": width} for width in WIDTHS}
_TINY_PRETRAIN: dict[str, Recipe] = {
    "tiny-resnet": Recipe(
        learning_rate=3e-3,
        epochs=6,
        weight_decay=0.05,
        beta2=0.98,
        equal_captions="soft",
        batch_norm="train",
    ),
    "tiny-vit": Recipe(
        learning_rate=1e-3,
        epochs=20,
        weight_decay=0.05,
        beta2=0.98,
        equal_captions="soft",
        batch_norm="train",
        shift=2,
    ),
}
_TINY_FINETUNE: dict[str, Recipe] = {
    "tiny-resnet": Recipe(
        learning_rate=4e-3,
        epochs=6,
        weight_decay=0.05,
        beta2=0.98,
        equal_captions="soft",
        batch_norm="train",
    ),
    "tiny-vit": Recipe(
        learning_rate=5e-4,
        epochs=4,
        weight_decay=0.05,
        beta2=0.98,
        equal_captions="soft",
        batch_norm="train",
    ),
}
_TINY_DEFEND = {
    name: replace(recipe, learning_rate=rate, epochs=5)
    for (name, recipe), rate in zip(_TINY_FINETUNE.items(), (1e-3, 3e-4), strict=True)
}
_OPEN_CLIP_FINETUNE = Recipe(learning_rate=1e-5, epochs=5, batch_size=128, warmup_steps=50, weight_decay=0.1)
_OPEN_CLIP_DEFEND = Recipe(learning_rate=1e-5, epochs=10, batch_size=64, warmup_steps=50, weight_decay=0.1)


def tiny_names() -> tuple[str, ...]:
    """The embedded architectures, which need no download."""
    return tuple(_TINY_VISION)


def model_spec(name: str) -> ModelSpec:
    """The model that a user names.

    Args:
        name: ``tiny-resnet`` or ``tiny-vit``; ``ARCHITECTURE/TAG`` (``ViT-B-32/openai``); or ``ARCHITECTURE@PATH`` for
            a local checkpoint.

    Raises:
        UserError: the name has none of these forms, or the checkpoint does not exist.
    """
    if name in _TINY_VISION:
        config = {"embed_dim": 64, "vision_cfg": _TINY_VISION[name], "text_cfg": _TINY_TEXT}
        trained_like = name.partition("-w")[0]
        return ModelSpec(
            name=name,
            architecture=name,
            config=config,
            pretrain=_TINY_PRETRAIN[trained_like],
            finetune=_TINY_FINETUNE[trained_like],
            defend=_TINY_DEFEND[trained_like],
        )
    if "@" in name:
        return _checkpoint_spec(name)
    if "/" in name:
        architecture, tag = name.split("/", 1)
        return ModelSpec(
            name=name, architecture=architecture, tag=tag, finetune=_OPEN_CLIP_FINETUNE, defend=_OPEN_CLIP_DEFEND
        )
    raise UserError(
        f"no model named '{name}'; {did_you_mean(name, tiny_names())} (or write ARCHITECTURE/TAG as in "
        "'ViT-B-32/openai', or ARCHITECTURE@PATH for a local checkpoint)"
    )


def _checkpoint_spec(name: str) -> ModelSpec:
    architecture, path = name.split("@", 1)
    if not Path(path).is_file():
        raise UserError(f"model '{name}': there is no checkpoint file '{path}'")
    if architecture in _TINY_VISION:
        tiny = model_spec(architecture)
        return ModelSpec(
            name=name,
            architecture=architecture,
            checkpoint=path,
            config=tiny.config,
            finetune=tiny.finetune,
            defend=tiny.defend,
        )
    return ModelSpec(
        name=name,
        architecture=architecture,
        checkpoint=path,
        finetune=_OPEN_CLIP_FINETUNE,
        defend=_OPEN_CLIP_DEFEND,
    )
