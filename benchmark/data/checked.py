"""What a data set hands out, checked before anything is computed from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from benchmark.errors import ClipdefenseError, UserError
from benchmark.types import Pairs


def checked_pairs(found: Any, name: str, split: str, count: int | None, image_size: int) -> Pairs:
    """The pairs themselves.

    Raises:
        UserError: there are none.
        ClipdefenseError: they have the wrong type, number, shape or range.
    """
    if found is None or (isinstance(found, Pairs) and not len(found)):
        raise UserError(f"dataset '{name}' gives no pairs for split '{split}'")
    wrong = _wrong(found, count, image_size) if isinstance(found, Pairs) else f"Pairs, got {type(found).__name__}"
    if wrong:
        raise ClipdefenseError(f"dataset '{name}', split '{split}': load() must return {wrong}")
    pairs: Pairs = found
    return pairs


def _wrong(pairs: Pairs, count: int | None, image_size: int) -> str:
    """What would be right, and what was found instead; empty where all is right."""
    total, classes = len(pairs), len(pairs.class_names)
    if count is not None and total != count:
        return f"the {count} pairs that it was asked for, got {total}"
    if len(pairs.images) != total:
        return f"one caption per image, got {total} captions for {len(pairs.images)} images"
    image: Any = pairs.images[torch.tensor([0])]
    expected = (1, 3, image_size, image_size)
    if not isinstance(image, Tensor) or tuple(image.shape) != expected or image.dtype != torch.uint8:
        return f"uint8 images of shape {expected[1:]}, got {_described(image)}"
    if not all(isinstance(caption, str) for caption in pairs.captions):
        return "captions that are texts"
    if not _is_numbers(pairs.ids, total):
        return f"int64 ids of shape ({total},), got {_described(pairs.ids)}"
    if pairs.labels is None:
        return ""
    if not _is_numbers(pairs.labels, total):
        return f"int64 labels of shape ({total},), got {_described(pairs.labels)}"
    low, high = int(pairs.labels.min()), int(pairs.labels.max())
    return "" if low >= 0 and high < classes else f"labels in [0, {classes}), got {low} to {high}"


def _is_numbers(found: Any, total: int) -> bool:
    return isinstance(found, Tensor) and found.dtype == torch.int64 and tuple(found.shape) == (total,)


def _described(found: Any) -> str:
    if isinstance(found, Tensor):
        return f"{str(found.dtype).removeprefix('torch.')} of shape {tuple(found.shape)}"
    return type(found).__name__


def check_templates(name: str, templates: Sequence[str]) -> None:
    """Raises a ``UserError`` unless there are templates and every one has one place for a class name."""
    if isinstance(templates, str) or not all(isinstance(template, str) for template in templates):
        raise UserError(f"dataset '{name}': templates must be a tuple of texts, got {templates!r}")
    if not templates:
        raise UserError(f"dataset '{name}' has no template; give one such as 'a photo of a {{}}'")
    for template in templates:
        try:
            said = template.format("<class>")
        except (ValueError, IndexError, KeyError):
            said = ""
        if said.count("<class>") != 1:
            raise UserError(f"dataset '{name}': template '{template}' must have one '{{}}', where the class name goes")
