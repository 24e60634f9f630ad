"""What a trigger looks like: a few images before and after, and the distance over many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from benchmark.pixels import all_images
from benchmark.poisoning import routes_of, stamp
from benchmark.thumbnails import packed, signal_to_noise

if TYPE_CHECKING:
    from benchmark.types import Attack, Pairs


def pictures(attack: Attack, pairs: Pairs, count: int) -> dict[str, Any]:
    """The first ``count`` images of different classes, none of them the target's, with and without the first trigger.

    ``signal_to_noise`` is the mean peak signal-to-noise ratio in dB over all pairs; images that the trigger leaves as
    they are do not count.
    """
    route = routes_of(attack)[0]
    clean = all_images(pairs.images)
    triggered = stamp(route, clean, pairs.ids)
    before, after = (images.permute(0, 2, 3, 1).contiguous().numpy() for images in (clean, triggered))
    ratios = torch.tensor([signal_to_noise(one, other) for one, other in zip(before, after, strict=True)])
    finite = ratios[torch.isfinite(ratios)]
    rows = _different(pairs, route.target)[:count]
    return {
        "images": [
            {"class": _name(pairs, row), "clean": packed(before[row]), "triggered": packed(after[row])} for row in rows
        ],
        "signal_to_noise": float(finite.mean()) if len(finite) else None,
        "measured_images": len(pairs),
        "split": pairs.split,
    }


def _name(pairs: Pairs, row: int) -> str:
    return pairs.class_names[int(pairs.labels[row])] if pairs.labels is not None else ""


def _different(pairs: Pairs, target: str) -> list[int]:
    """Rows of images of other classes than the target's: one of each class first, then the others."""
    rows = [row for row in range(len(pairs)) if _name(pairs, row) != target]
    first = sorted({_name(pairs, row): row for row in reversed(rows)}.values())
    return [*first, *(row for row in rows if row not in first)]
