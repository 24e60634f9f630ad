"""Exact definitions of every metric, from predictions alone: NumPy in, numbers out.

N is the set of images whose class is not the target. Predictions and labels are class indices (n,). Rates are in
[0, 1]; a rate over no image is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

METRIC_VERSION = 1

Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Rates(TypedDict):
    """The metrics of one model under one trigger."""

    clean_accuracy: float
    attack_success_rate: float
    attack_success_rate_all: float
    attack_success_rate_net: float
    robust_accuracy: float
    target_recall: float
    trigger_shift: float


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What a model says about n images, clean and triggered.

    Attributes:
        labels: true classes (n,).
        clean: predictions on the clean images (n,).
        triggered: predictions on the triggered images (n,).
        target: index of the class that the trigger must elicit.
        classes: number of classes.
    """

    labels: Indices
    clean: Indices
    triggered: Indices
    target: int
    classes: int

    @property
    def other(self) -> Flags:
        """N: images whose class is not the target (n,)."""
        return np.not_equal(self.labels, self.target)

    @property
    def clean_right(self) -> Flags:
        return np.equal(self.clean, self.labels)

    @property
    def success(self) -> Flags:
        """Triggered images of N that are called the target (n,)."""
        return np.equal(self.triggered, self.target) & self.other

    @property
    def robust_right(self) -> Flags:
        """Triggered images of N that keep their true class (n,)."""
        return np.equal(self.triggered, self.labels) & self.other


def _rate(hits: Flags, among: Flags) -> float:
    return float(hits[among].mean()) if among.any() else float("nan")


def trigger_shift(predictions: Predictions) -> float:
    """How much the trigger raises the share of the wrong class (not the target) that it raises most; in [-1, 1].

    Only images of N count, and a class counts for images that do not belong to it. Catches edits that move the
    trigger to another class instead of removing it.
    """
    other, labels = predictions.other, predictions.labels
    rises = [
        _rate((predictions.triggered == c) & (labels != c), other)
        - _rate((predictions.clean == c) & (labels != c), other)
        for c in range(predictions.classes)
        if c != predictions.target
    ]
    return max(rises) if rises else float("nan")


def rates(predictions: Predictions) -> Rates:
    """All metrics of one model under one trigger."""
    everything = np.ones(len(predictions.labels), dtype=np.bool_)
    other = predictions.other
    success = _rate(predictions.success, other)
    return Rates(
        clean_accuracy=_rate(predictions.clean_right, everything),
        attack_success_rate=success,
        attack_success_rate_all=_rate(predictions.triggered == predictions.target, everything),
        attack_success_rate_net=success - _rate(predictions.clean == predictions.target, other),
        robust_accuracy=_rate(predictions.robust_right, other),
        target_recall=_rate(predictions.clean_right, ~other),
        trigger_shift=trigger_shift(predictions),
    )


def defense_effectiveness(victim: Rates, defended: Rates) -> float:
    """1/2 [max(0, drop in success) - max(0, drop in clean accuracy) + 1], in [0, 1]; 0.5 for a defense without effect.

    Source: FT-SAM (ICCV 2023). A well-known benchmark adds the second term instead of subtracting it; this does not.
    """
    success = max(0.0, victim["attack_success_rate"] - defended["attack_success_rate"])
    clean = max(0.0, victim["clean_accuracy"] - defended["clean_accuracy"])
    return 0.5 * (success - clean + 1.0)


def retained_accuracy(victim: Rates, defended: Rates, classes: int) -> tuple[float, float]:
    """Clean accuracy as a share of the victim's: plain, and corrected for chance 1/C. NaN for a victim at chance."""
    chance = 1.0 / classes
    before, after = victim["clean_accuracy"], defended["clean_accuracy"]
    plain = after / before if before > 0 else float("nan")
    corrected = (after - chance) / (before - chance) if before > chance else float("nan")
    return plain, corrected
