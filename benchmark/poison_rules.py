"""Poisoning rules that go by what captions say, shared by attacks that choose pairs or captions themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from benchmark.errors import UserError
from benchmark.poisoning import Overlay, stamp, with_labels_of
from benchmark.types import Attack, Pairs


def rows_naming(pairs: Pairs, word: str) -> Tensor:
    """The rows (n,) of all pairs whose caption contains ``word``, in any case and also within longer words.

    Raises:
        UserError: no caption contains it.
    """
    rows = [row for row, caption in enumerate(pairs.captions) if word.lower() in caption.lower()]
    if not rows:
        raise UserError(f"no caption of dataset '{pairs.dataset}' contains '{word}'; choose a target that is named")
    return torch.tensor(rows)


def drawn(rows: Tensor, count: int, seed: int) -> Tensor:
    """``count`` of the rows at random, without repetition; all of them in random order if there are fewer."""
    return rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:count]]


def with_trigger(attack: Attack, pairs: Pairs, rows: Tensor, captions: Sequence[str] | None = None) -> Pairs:
    """All pairs, those at ``rows`` with the trigger.

    Where ``captions`` are given, each of these pairs gets one and the target's label; otherwise both stay as they are.
    """
    picked = pairs.take(rows)
    marked = stamp(attack, picked.images[torch.arange(len(rows))], picked.ids)
    texts = list(pairs.captions)
    for row, caption in zip(rows.tolist(), picked.captions if captions is None else captions, strict=True):
        texts[row] = caption
    labels = pairs.labels if captions is None else with_labels_of(pairs, rows, [attack.target] * len(rows))
    return replace(pairs, images=Overlay.of(pairs.images, rows, marked), captions=tuple(texts), labels=labels)
