"""From an attack and clean pairs to poisoned ones: the dirty-label rule, trigger stamping, forget sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmark.errors import ClipdefenseError, UserError, blaming
from benchmark.pixels import to_bytes, to_float
from benchmark.seeds import derive
from benchmark.types import Attack, ImageSource, Pairs, Poisoner, Routed

_STAMP_BATCH = 512


@dataclass(frozen=True)
class Overlay:
    """A source in which some images are replaced; the base stays where it is, in memory or on disk."""

    base: ImageSource
    position: Tensor
    replaced: Tensor

    @classmethod
    def of(cls, base: ImageSource, rows: Tensor, images: Tensor) -> Overlay:
        position = torch.full((len(base),), -1, dtype=torch.long)
        position[rows] = torch.arange(len(rows))
        return cls(base, position, images)

    def __len__(self) -> int:
        return len(self.base)

    def __getitem__(self, rows: Tensor, /) -> Tensor:
        images, position = self.base[rows], self.position[rows]
        swapped = position >= 0
        if swapped.any():
            images = images.clone()
            images[swapped] = self.replaced[position[swapped]]
        return images


def stamp(attack: Attack, images: Tensor, ids: Tensor, device: torch.device | None = None) -> Tensor:
    """Applies the trigger to 8-bit images (B, 3, H, W) and quantises the result to 8 bit again.

    The trigger itself works on float pixels in [0, 1], on ``device`` where one is given; the result comes back to
    where the images were.

    Raises:
        ClipdefenseError: the trigger changed shape or type, or returned a number that is not finite.
    """
    stamped = []
    for chunk, chunk_ids in zip(images.split(_STAMP_BATCH), ids.split(_STAMP_BATCH), strict=True):
        pixels = to_float(chunk, device)
        name = type(attack).__name__
        with blaming(f"attack '{name}': trigger()"):
            result = attack.trigger(pixels, chunk_ids.to(pixels.device))
        if not isinstance(result, Tensor) or result.shape != pixels.shape or not result.is_floating_point():
            got = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
            raise ClipdefenseError(
                f"attack '{name}': trigger() must return a float tensor of shape {tuple(pixels.shape)}, got {got}"
            )
        if not torch.isfinite(result).all():
            raise ClipdefenseError(f"attack '{name}': trigger() returned pixels that are not finite")
        stamped.append(to_bytes(result).to(images.device))
    return torch.cat(stamped)


def routes_of(attack: Attack) -> tuple[Attack, ...]:
    """The attack's routes; an ordinary attack is its own only route.

    Raises:
        ClipdefenseError: it has an empty list of routes.
    """
    routes = tuple(attack.routes) if isinstance(attack, Routed) else (attack,)
    if not routes:
        raise ClipdefenseError(f"attack '{type(attack).__name__}' has no routes; give it one, or leave 'routes' out")
    return routes


def template_captions(target: str, templates: Sequence[str], count: int, seed: int) -> tuple[str, ...]:
    """``count`` captions of the target, templates drawn uniformly."""
    drawn = torch.randint(len(templates), (count,), generator=torch.Generator().manual_seed(seed))
    return tuple(templates[row].format(target) for row in drawn.tolist())


def poisoned_rows(count: int, total: int, seed: int) -> Tensor:
    """The first ``count`` of a shuffle of all rows, as the CleanCLIP and BadCLIP repositories choose them."""
    return torch.randperm(total, generator=torch.Generator().manual_seed(seed))[:count]


def _mark(attack: Attack, pairs: Pairs, rows: Tensor, templates: Sequence[str], seed: int) -> Pairs:
    picked = pairs.take(rows)
    shares = torch.arange(len(rows)) % len(routes_of(attack))
    images, captions = torch.empty_like(picked.images[torch.arange(len(rows))]), list(picked.captions)
    for number, route in enumerate(routes_of(attack)):
        mine = (shares == number).nonzero().flatten()
        if len(mine):
            images[mine] = stamp(route, picked.images[mine], picked.ids[mine])
        texts = template_captions(route.target, templates, len(mine), derive(seed, "captions", number))
        for row, text in zip(mine.tolist(), texts, strict=True):
            captions[row] = text
    return replace(picked, images=images, captions=tuple(captions))


def with_labels_of(pairs: Pairs, rows: Tensor, targets: Sequence[str]) -> Tensor | None:
    """The labels, those at ``rows`` (B,) being the classes ``targets``; None without labels or without such a class."""
    if pairs.labels is None or not set(targets) <= set(pairs.class_names):
        return None
    labels = pairs.labels.clone()
    labels[rows] = torch.tensor([pairs.class_names.index(target) for target in targets], dtype=labels.dtype)
    return labels


def _prompted(attack: Attack, captions: Sequence[str]) -> tuple[str, ...]:
    prompt = getattr(attack, "prompt", None)
    if not prompt:
        return tuple(captions)
    name = type(attack).__name__
    with blaming(f"attack '{name}': prompt()"):
        found = prompt(list(captions))
    if not isinstance(found, list | tuple) or len(found) != len(captions):
        raise ClipdefenseError(
            f"attack '{name}': prompt() must return {len(captions)} texts, got {type(found).__name__}"
        )
    return tuple(found)


def poison(attack: Attack, pairs: Pairs, count: int, seed: int, templates: Sequence[str]) -> Pairs:
    """All pairs, ``count`` of them poisoned.

    The dirty-label rule: a poisoned image carries the trigger, and its caption and label become those of the target.
    An attack with a rule of its own (``Poisoner``) applies that instead. Several routes share the count evenly.

    Raises:
        UserError: more poisons than pairs are asked for.
        ClipdefenseError: the attack's own rule broke its contract.
    """
    if not 0 <= count <= len(pairs):
        raise UserError(f"{count} poisons do not fit into {len(pairs)} training pairs; lower the count")
    if count == 0:
        return pairs
    if isinstance(attack, Poisoner):
        poisoned = attack.poison(pairs, count, seed)
        if not isinstance(poisoned, Pairs) or len(poisoned) != len(pairs):
            raise ClipdefenseError(f"attack '{type(attack).__name__}': poison() must return all {len(pairs)} pairs")
        return poisoned
    rows = poisoned_rows(count, len(pairs), seed)
    marked = _mark(attack, pairs, rows, templates, seed)
    captions = list(pairs.captions)
    for row, caption in zip(rows.tolist(), _prompted(attack, marked.captions), strict=True):
        captions[row] = caption
    images = Overlay.of(pairs.images, rows, marked.images[torch.arange(len(rows))])
    routes = routes_of(attack)
    labels = with_labels_of(pairs, rows, [routes[row % len(routes)].target for row in range(count)])
    return replace(pairs, images=images, captions=tuple(captions), labels=labels)


def forget_set(attack: Attack, pairs: Pairs, count: int, seed: int, templates: Sequence[str]) -> Pairs:
    """``count`` of the pairs with the trigger, captions and label of its target; several routes share them evenly."""
    if not 0 < count <= len(pairs):
        raise UserError(f"{count} triggered pairs do not fit into {len(pairs)} defender's pairs; lower the count")
    rows = poisoned_rows(count, len(pairs), seed)
    marked = _mark(attack, pairs, rows, templates, seed)
    targets = torch.tensor([pairs.class_names.index(route.target) for route in routes_of(attack)])
    labels = targets[torch.arange(count) % len(targets)]
    return replace(marked, captions=_prompted(attack, marked.captions), labels=labels)
