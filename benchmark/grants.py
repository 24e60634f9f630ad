"""What a plugin asks for against what a matrix grants."""

from __future__ import annotations

from typing import Any

from benchmark.architectures import ModelSpec
from benchmark.errors import UserError, did_you_mean
from benchmark.matrix import Matrix
from benchmark.models import vision_kind
from benchmark.types import NEEDS


def checked_needs(who: str, plugin: Any) -> frozenset[str]:
    """The plugin's needs.

    Args:
        who: how sentences call it.
        plugin: an instance.

    Raises:
        UserError: they are no set of resources that exist.
    """
    needs = getattr(plugin, "needs", None)
    if not isinstance(needs, frozenset | set):
        raise UserError(f"{who}: needs is {needs!r}; make it a frozenset of resource names")
    unknown = sorted(frozenset[str](needs) - NEEDS)
    if unknown:
        raise UserError(f"{who} needs '{unknown[0]}'; {did_you_mean(unknown[0], NEEDS)}")
    return frozenset[str](needs)


def reason_to_skip(
    matrix: Matrix, spec: ModelSpec, plugin: Any, needs: frozenset[str], *, imported: bool = False
) -> str:
    """Why a plugin does not meet a model in a matrix, or an empty text."""
    missing = sorted(needs - set(matrix.grants))
    if missing:
        return f"needs '{missing[0]}', which the matrix does not grant"
    if imported and "training_pairs" in needs:
        return "needs 'training_pairs', which an imported victim does not bring"
    if "labels" in needs and matrix.captions is not None:
        return f"needs 'labels', which the pairs of '{matrix.captions.name}' do not have"
    kinds = getattr(plugin, "architectures", None)
    if kinds is not None and vision_kind(spec) not in kinds:
        return f"works on {' and '.join(sorted(kinds))} models only, and {spec.name} is {vision_kind(spec)}"
    return ""
