"""Zero-shot predictions of a model on clean and triggered images, and the metrics that follow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from benchmark.data.loading import Parts, prefetched
from benchmark.errors import Diverged, UserError
from benchmark.metrics import Predictions, Rates, rates
from benchmark.models import Clip
from benchmark.pixels import to_float
from benchmark.poisoning import routes_of, stamp
from benchmark.training import autocast
from benchmark.types import Attack, ImageSource, Pairs, Prompted

_BATCH = 500
_MATERIALISE_BYTES = 2 * 1024**3


@dataclass(frozen=True)
class Triggered:
    """Images that get the trigger of one attack as they are read; quantised to 8 bit like stored ones."""

    base: ImageSource
    ids: Tensor
    attack: Attack

    def __len__(self) -> int:
        return len(self.base)

    def __getitem__(self, rows: Tensor, /) -> Tensor:
        return stamp(self.attack, self.base[rows], self.ids[rows])


def materialised(source: ImageSource, image_size: int) -> ImageSource:
    """The source in memory where it fits into 2 GiB, so that every point meets it without stamping again."""
    if isinstance(source, Tensor) or len(source) * 3 * image_size**2 > _MATERIALISE_BYTES:
        return source
    rows = torch.arange(len(source)).split(_BATCH)
    return torch.cat([source[chunk] for chunk in rows])


@dataclass(frozen=True)
class Probe:
    """One split of one data set under one attack, ready to be put to many models."""

    pairs: Pairs
    templates: tuple[str, ...]
    attack: Attack
    triggered: tuple[ImageSource, ...]

    @classmethod
    def of(cls, attack: Attack, pairs: Pairs, templates: Sequence[str], image_size: int) -> Probe:
        """Stamps the images of every route once.

        Raises:
            UserError: a target is not a class of the data set, or the pairs have no labels.
        """
        if pairs.labels is None:
            raise UserError(f"dataset '{pairs.dataset}' has no labels; accuracy cannot be measured on it")
        for route in routes_of(attack):
            if route.target not in pairs.class_names:
                raise UserError(
                    f"dataset '{pairs.dataset}' has no class '{route.target}' for the attack's target; "
                    f"its classes: {', '.join(pairs.class_names[:12])}"
                )
        sources = tuple(
            materialised(Triggered(pairs.images, pairs.ids, route), image_size) for route in routes_of(attack)
        )
        return cls(replace(pairs, images=materialised(pairs.images, image_size)), tuple(templates), attack, sources)

    @property
    def target_indices(self) -> tuple[int, ...]:
        return tuple(self.pairs.class_names.index(route.target) for route in routes_of(self.attack))

    @property
    def kept(self) -> tuple[ImageSource | None, ...]:
        """The triggered images of every route; None where the trigger is stamped as the clean images are read."""
        return tuple(
            None if isinstance(source, Triggered) and source.base is self.pairs.images else source
            for source in self.triggered
        )


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A model on a probe: the headline route's predictions and metrics, and the success of every route."""

    predictions: Predictions
    metrics: Rates
    route_success: tuple[float, ...]


@torch.inference_mode()
def _classes(model: Clip, classifier: Tensor, images: Tensor, precision: str) -> Tensor:
    """Zero-shot classes (B,) of 8-bit images, on the model's device; -1 where an embedding is not finite."""
    with autocast(model.device, precision):
        logits = model.encode_images(to_float(images, model.device)) @ classifier.T
    return torch.where(torch.isfinite(logits).all(dim=1), logits.argmax(dim=1), -1)


def _gathered(found: list[Tensor]) -> Tensor:
    predictions = torch.cat(found).cpu()
    if (predictions < 0).any():
        raise Diverged("the model returns embeddings that are not finite; the defense destroyed it")
    return predictions


def _read(sources: Sequence[ImageSource | None], rows: Tensor) -> Parts:
    """Consecutive rows of all sources; of one in memory a view, of any other a copy."""
    span = slice(int(rows[0]), int(rows[-1]) + 1)

    def part(source: ImageSource | None) -> Tensor | None:
        if source is None:
            return None
        return source[span] if isinstance(source, Tensor) else source[rows]

    return tuple(part(source) for source in sources)


def _batches(device: torch.device, *sources: ImageSource | None) -> Iterator[Parts]:
    """The same rows of all sources, batch by batch, in order."""
    assert sources[0] is not None
    return prefetched((partial(_read, sources, rows) for rows in torch.arange(len(sources[0])).split(_BATCH)), device)


def predict(model: Clip, classifier: Tensor, images: ImageSource, precision: str = "float32") -> Tensor:
    """Zero-shot classes (n,) of all images, on the CPU; triggers are stamped on the model's device.

    Raises:
        Diverged: an embedding is not finite.
    """
    model.module.eval()
    marked, found = images if isinstance(images, Triggered) else None, []
    for batch, ids in _batches(model.device, marked.base if marked else images, marked.ids if marked else None):
        assert batch is not None
        if marked is not None and ids is not None:
            batch = stamp(marked.attack, batch, ids, model.device)
        found.append(_classes(model, classifier, batch, precision))
    return _gathered(found)


def _predict_probe(model: Clip, probe: Probe, classifier: Tensor, prompted: Tensor, precision: str) -> list[Tensor]:
    """Classes (n,) of the clean images, then of the triggered ones of every route, from one pass over the data."""
    model.module.eval()
    routes = routes_of(probe.attack)
    found: list[list[Tensor]] = [[] for _ in range(1 + len(routes))]
    for clean, ids, *kept in _batches(model.device, probe.pairs.images, probe.pairs.ids, *probe.kept):
        assert clean is not None and ids is not None
        found[0].append(_classes(model, classifier, clean, precision))
        for number, (route, images) in enumerate(zip(routes, kept, strict=True), start=1):
            shown = images if images is not None else stamp(route, clean, ids, model.device)
            found[number].append(_classes(model, prompted, shown, precision))
    return [_gathered(part) for part in found]


def measure(model: Clip, probe: Probe, precision: str = "float32") -> Measurement:
    """Clean and triggered predictions under the model's own text tower, and all metrics.

    With several routes the one of highest success is the headline.
    """
    names = probe.pairs.class_names
    classifier = model.classifier(names, probe.templates)
    prompted = classifier
    if isinstance(probe.attack, Prompted):
        prompted = model.classifier(names, probe.templates, probe.attack.prompt)
    assert probe.pairs.labels is not None
    labels = probe.pairs.labels.numpy()
    clean, *marked = (part.numpy() for part in _predict_probe(model, probe, classifier, prompted, precision))
    found = []
    for target, triggered in zip(probe.target_indices, marked, strict=True):
        predictions = Predictions(labels=labels, clean=clean, triggered=triggered, target=target, classes=len(names))
        found.append((predictions, rates(predictions)))
    success = tuple(metrics["attack_success_rate"] for _, metrics in found)
    headline, metrics = found[int(np.argmax(success))]
    return Measurement(predictions=headline, metrics=metrics, route_success=success)


def accuracy(model: Clip, pairs: Pairs, templates: Sequence[str], precision: str = "float32") -> float:
    """Zero-shot accuracy on labelled pairs."""
    if pairs.labels is None:
        raise UserError(f"dataset '{pairs.dataset}' has no labels; accuracy cannot be measured on it")
    classifier = model.classifier(pairs.class_names, templates)
    right = predict(model, classifier, pairs.images, precision) == pairs.labels
    return float(right.float().mean())
