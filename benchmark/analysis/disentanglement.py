"""Weight disentanglement: does adding the vector of one task change what the model says about the images of the other?

With a model o, a clean task of vector t1 and images C, a trigger task of vector t2 and images T, the error is
(arXiv 2305.12827)

    xi(a, b) = P_{x in C}[f(x; o + a t1) != f(x; o + a t1 + b t2)] + P_{x in T}[f(x; o + b t2) != f(x; o + a t1 + b t2)]

where f is the predicted class. The first term is zero where b = 0 and the second where a = 0; xi is at most 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.analysis.plane import Plane
from benchmark.evaluation import Probe, predict
from benchmark.models import Clip
from benchmark.types import Prompted

Grid = NDArray[np.int64]


def axis(points: int, extent: float) -> list[float]:
    """An odd number of values from -extent to extent; the middle one is exactly 0."""
    half = points // 2
    return [extent * step / half for step in range(-half, half + 1)]


def said(plane: Plane, probe: Probe, alphas: Sequence[float], precision: str = "float32") -> tuple[Grid, Grid]:
    """Predicted classes (k, k, n) of the clean and of the triggered images; the first index is the clean task's.

    Of an attack with several routes the first one's images are taken.
    """
    names, prompt = probe.pairs.class_names, probe.attack.prompt if isinstance(probe.attack, Prompted) else None
    found = np.zeros((2, len(alphas), len(alphas), len(probe.pairs)), dtype=np.int64)
    classifiers: dict[tuple[float, ...], tuple[Tensor, Tensor]] = {}
    for i, a in enumerate(alphas):
        for j, b in enumerate(alphas):
            model, place = plane.at(a, b), plane.text_place(a, b)
            if place not in classifiers:
                classifiers[place] = _classifiers(model, names, probe.templates, prompt)
            plain, prompted = classifiers[place]
            found[0, i, j] = predict(model, plain, probe.pairs.images, precision).numpy()
            found[1, i, j] = predict(model, prompted, probe.triggered[0], precision).numpy()
    return found[0], found[1]


@torch.no_grad()
def _classifiers(
    model: Clip, names: Sequence[str], templates: Sequence[str], prompt: Callable[[Sequence[str]], list[str]] | None
) -> tuple[Tensor, Tensor]:
    plain = model.classifier(names, templates)
    return plain, plain if prompt is None else model.classifier(names, templates, prompt)


def errors(clean: Grid, triggered: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The two terms of xi, (k, k) each, from predictions (k, k, n) on a grid whose middle is the origin."""
    middle = len(clean) // 2
    return (clean[:, [middle]] != clean).mean(axis=2), (triggered[[middle]] != triggered).mean(axis=2)


def disentanglement(plane: Plane, probe: Probe, alphas: Sequence[float], precision: str = "float32") -> dict[str, Any]:
    """xi and its terms on the grid, with clean accuracy and attack success; rows are the clean task's multiples."""
    clean, triggered = said(plane, probe, alphas, precision)
    first, second = errors(clean, triggered)
    accuracy, success = _rates(clean, triggered, probe)
    return {
        "alphas": list(alphas),
        "images": len(probe.pairs),
        "xi": (first + second).tolist(),
        "xi_clean": first.tolist(),
        "xi_trigger": second.tolist(),
        "clean_accuracy": accuracy.tolist(),
        "attack_success_rate": success.tolist(),
    }


def _rates(clean: Grid, triggered: Grid, probe: Probe) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Clean accuracy and attack success (k, k), as ``benchmark.metrics`` defines them."""
    assert probe.pairs.labels is not None
    labels, target = probe.pairs.labels.numpy(), probe.target_indices[0]
    success: NDArray[np.float64] = (triggered[..., labels != target] == target).mean(axis=2)
    return (clean == labels).mean(axis=2), success
