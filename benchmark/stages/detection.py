"""Detection: what a detector makes of a victim, against the record of what was poisoned or triggered."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.errors import ClipdefenseError, blaming
from benchmark.evaluation import Probe
from benchmark.marking import marked
from benchmark.models import Clip
from benchmark.pixels import to_float
from benchmark.separation import alarm_threshold, packed, separation
from benchmark.types import Context, ImageSource, Pairs

Floats = NDArray[np.float64]
Values = dict[str, Any]

KEPT = 20_000
"""With more samples than this the scores themselves are not kept."""

_CHUNK_BYTES = 2**30


def detect_pairs(name: str, detector: Any, model: Clip, clean: Pairs, trained: Pairs, context: Context) -> Values:
    """Scores training pairs, against which of them are poisoned.

    Args:
        name: of the detector, for errors.
        detector: the plugin.
        model: the victim, of which the detector gets a copy.
        clean: the pairs before they were poisoned.
        trained: the same pairs as the victim was trained on them.
        context: the detector's resources.

    Raises:
        ClipdefenseError: the detector broke its contract, or none of the pairs is poisoned.
    """
    poisoned = marked(clean, trained).numpy()
    if not poisoned.any():
        raise ClipdefenseError(
            f"none of the {len(trained)} pairs that were drawn is poisoned; raise sizes.detection_pairs"
        )
    started = time.perf_counter()
    scores = _scores(name, lambda: detector.score(model.clone(), trained, context), len(trained))
    seconds = time.perf_counter() - started
    return _measured(scores[poisoned], scores[~poisoned], seconds)


def detect_images(name: str, detector: Any, model: Clip, validation: Probe, test: Probe, context: Context) -> Values:
    """Scores clean test images and triggered ones; the threshold comes from clean validation images alone.

    The triggered ones are those of other classes than the target, under every route. ``true_positive_rate`` and
    ``false_positive_rate`` are those at the threshold, on the test split.
    """
    seconds = 0.0

    def scored(source: ImageSource, rows: Tensor) -> Floats:
        nonlocal seconds
        found = []
        for images in _chunks(source, rows, model):
            started = time.perf_counter()
            score = _scores(name, lambda images=images: detector.score(model.clone(), images, context), len(images))
            seconds += time.perf_counter() - started
            found.append(score)
        return np.concatenate(found)

    labels = test.pairs.labels
    assert labels is not None
    threshold = alarm_threshold(scored(validation.pairs.images, torch.arange(len(validation.pairs))))
    others = [(labels != target).nonzero().flatten() for target in test.target_indices]
    triggered = np.concatenate([scored(*found) for found in zip(test.triggered, others, strict=True)])
    clean = scored(test.pairs.images, torch.arange(len(test.pairs)))
    return {
        **_measured(triggered, clean, seconds),
        "threshold": threshold,
        "true_positive_rate": float((triggered > threshold).mean()),
        "false_positive_rate": float((clean > threshold).mean()),
    }


def detect_model(name: str, detector: Any, model: Clip, context: Context) -> Values:
    """Scores the victim itself; it takes other models to say whether the score is high."""
    started = time.perf_counter()
    with blaming(f"detector '{name}'"):
        score = detector.score(model.clone(), context)
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        raise ClipdefenseError(f"detector '{name}': score() must return a finite number, got {score!r}")
    return {"score": float(score), "seconds": time.perf_counter() - started}


def _chunks(source: ImageSource, rows: Tensor, model: Clip) -> Iterator[Tensor]:
    """The images at ``rows`` as pixels in [0, 1] on the model's device, at most 1 GiB at a time."""
    size = max(1, _CHUNK_BYTES // (12 * model.image_size**2))
    return (to_float(source[chunk], model.device) for chunk in rows.split(size))


def _scores(name: str, call: Any, count: int) -> Floats:
    with blaming(f"detector '{name}'"):
        found = call()
    if not isinstance(found, Tensor) or found.shape != (count,) or not found.is_floating_point():
        got = f"{found.dtype} {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise ClipdefenseError(f"detector '{name}': score() must return {count} floating-point numbers, got {got}")
    scores = found.detach().double().cpu().numpy()
    if not np.isfinite(scores).all():
        raise ClipdefenseError(f"detector '{name}': score() returned numbers that are not finite")
    return np.asarray(scores)


def _measured(suspicious: Floats, others: Floats, seconds: float) -> Values:
    count = len(suspicious) + len(others)
    kept = {"suspicious": packed(suspicious), "others": packed(others)} if count <= KEPT else {}
    return {
        **separation(suspicious, others),
        "samples": count,
        "positives": len(suspicious),
        "base_rate": len(suspicious) / count,
        "seconds": seconds,
        "scores": kept,
    }
