"""Task vectors: differences of weights, scaled and added to a model (arXiv 2212.04089).

Only parameters take part, in float32. Buffers (BatchNorm statistics, counters) and the logit scale stay those of the
model that is edited: extrapolated variances may become negative.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from benchmark.errors import ClipdefenseError
from benchmark.models import Clip

Vector = dict[str, Tensor]


def _parameters(model: Clip) -> Vector:
    return {name: p.detach() for name, p in model.module.named_parameters() if name != "logit_scale"}


def difference(after: Clip, before: Clip) -> Vector:
    """The task vector ``after - before``, by parameter name.

    Raises:
        ClipdefenseError: the two models do not have the same parameters.
    """
    ours, theirs = _parameters(after), _parameters(before)
    if ours.keys() != theirs.keys() or any(ours[name].shape != theirs[name].shape for name in ours):
        raise ClipdefenseError("weights of different architectures cannot be subtracted; give two models of one kind")
    return {name: ours[name].float() - theirs[name].float() for name in ours}


def applied(model: Clip, vector: Mapping[str, Tensor], scale: float) -> Clip:
    """A copy of ``model`` with ``scale * vector`` added to its parameters; the model itself stays as it is."""
    edited = model.clone()
    with torch.no_grad():
        for name, parameter in edited.module.named_parameters():
            if name in vector:
                parameter.add_(vector[name].to(parameter), alpha=scale)
    edited.module.eval()
    return edited


def dot(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> float:
    """Inner product of two task vectors of the same parameters, summed in double precision."""
    return sum(float((value.double() * second[name].double()).sum()) for name, value in first.items())


def norm(vector: Mapping[str, Tensor]) -> float:
    """Euclidean length over all parameters together."""
    return math.sqrt(dot(vector, vector))


def cosine(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> float:
    """Cosine similarity of two task vectors over all their parameters, in [-1, 1]; 0 if one of them is zero."""
    lengths = norm(first) * norm(second)
    return max(-1.0, min(1.0, dot(first, second) / lengths)) if lengths else 0.0
