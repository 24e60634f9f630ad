"""How well scores separate what is suspicious from what is not: AUROC, AUPRC, and the false alarms at a high recall."""

from __future__ import annotations

import base64

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RECALL = 0.95
ALARM = 0.05


def separation(suspicious: Floats, others: Floats) -> dict[str, float]:
    """The metrics of scores, higher being more suspicious.

    Args:
        suspicious: scores (p,) of what should be found.
        others: scores (m,) of everything else.

    Returns:
        ``auroc``, ``auprc`` (average precision; its chance level is the base rate) and ``fpr_at_95_tpr``, the smallest
        false positive rate among thresholds that find at least 95 %; all in [0, 1], NaN where either side is empty.
    """
    if not len(suspicious) or not len(others):
        return {"auroc": float("nan"), "auprc": float("nan"), "fpr_at_95_tpr": float("nan")}
    from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

    truth = np.repeat([1, 0], [len(suspicious), len(others)])
    scores = np.concatenate([suspicious, others])
    false_positives, true_positives, _ = roc_curve(truth, scores, drop_intermediate=False)
    return {
        "auroc": float(roc_auc_score(truth, scores)),
        "auprc": float(average_precision_score(truth, scores)),
        "fpr_at_95_tpr": float(false_positives[true_positives >= RECALL].min()),
    }


def alarm_threshold(scores: Floats) -> float:
    """A threshold that at most 5 % of the scores (n,), all of harmless samples, exceed."""
    return float(np.quantile(scores, 1 - ALARM, method="higher"))


def packed(scores: Floats) -> str:
    """Scores (n,) as base64 of little-endian 32-bit floats."""
    return base64.b64encode(scores.astype("<f4").tobytes()).decode("ascii")


def unpacked(text: str) -> Floats:
    """What ``packed`` wrote."""
    return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float64)
