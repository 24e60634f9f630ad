"""What a detector scores, read from how its ``score`` is called."""

from __future__ import annotations

import inspect
from typing import Any, Literal

from benchmark.errors import UserError

Scored = Literal["pairs", "images", "model"]
SCORED: dict[Scored, str] = {"pairs": "training pairs", "images": "images at test time", "model": "whole models"}

_CALLS: dict[tuple[str, ...], Scored] = {
    ("model", "pairs", "context"): "pairs",
    ("model", "images", "context"): "images",
    ("model", "context"): "model",
}
CALLS = "score(model, pairs, context), score(model, images, context) or score(model, context)"


def scored_by(detector: Any) -> Scored:
    """What the detector scores: training pairs, images at test time, or a whole model.

    Raises:
        UserError: its ``score`` is called in none of the three ways.
    """
    score = getattr(detector, "score", None)
    names = tuple(inspect.signature(score).parameters) if callable(score) else ()
    names = tuple(name for name in names if name != "self")
    if names not in _CALLS:
        found = f"score({', '.join(names)})" if callable(score) else "no 'score'"
        raise UserError(f"detector '{_name(detector)}' has {found}; write {CALLS}")
    return _CALLS[names]


def _name(detector: Any) -> str:
    return str(getattr(detector, "__name__", type(detector).__name__))
