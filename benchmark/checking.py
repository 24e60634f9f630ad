"""``clipdefense check``: the contract over one plugin, found by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from benchmark.contract import (
    Check,
    attack_checks,
    dataset_checks,
    defense_checks,
    detector_checks,
    inverter_checks,
    run_checks,
)
from benchmark.listing import find_kind
from benchmark.registry import Registry


def check_plugin(name: str, registry: Registry) -> Iterator[tuple[str, bool]]:
    """Runs every check of the plugin's kind; yields a line for each and whether the promise was kept."""
    kind = find_kind(name, registry)
    makers: dict[str, Callable[[Any], list[Check]]] = {
        "attack": attack_checks,
        "defense": defense_checks,
        "dataset": dataset_checks,
        "inverter": inverter_checks,
        "detector": detector_checks,
    }
    for outcome in run_checks(makers[kind](registry.build(kind, name))):
        text = "kept   " if outcome.error is None else "broken "
        yield f"{text} {outcome.name}" + (f": {outcome.error}" if outcome.error else ""), outcome.error is None
