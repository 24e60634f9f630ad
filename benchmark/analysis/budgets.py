"""How many pairs a defense needs: the same defense with more and more of them, each picked blindly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from benchmark.picking import VICTIM

if TYPE_CHECKING:
    from benchmark.cells import Laboratory
    from benchmark.jobs import Job
    from benchmark.results import Result


def compared(laboratory: Laboratory, jobs: Mapping[str, Mapping[int, Job]]) -> dict[str, Any]:
    """Per defense and number of pairs: what its cell would say at the blind pick, on test images.

    Hyperparameters are the cell's, so that fewer pairs are also fewer steps; the steps are told.
    """
    found: dict[str, Any] = {"rows": []}
    for method, sized in jobs.items():
        for pairs, job in sized.items():
            result = _computed(laboratory, job)
            assert result.victim is not None
            found["victim"] = _rates(result, VICTIM)
            found["rows"].append({"method": method, "defense": job.cell.defense, "pairs": pairs, **_row(result)})
    return found


def _computed(laboratory: Laboratory, job: Job) -> Result:
    """The cell's result; what training victims has cost stays on record."""
    seconds = laboratory.artifacts.seconds
    result = laboratory.compute(job).result
    laboratory.artifacts.seconds = {**seconds, **laboratory.artifacts.seconds}
    return result


def _row(result: Result) -> dict[str, Any]:
    assert result.picks is not None
    pick = result.picks.blind
    return {
        **_rates(result, pick),
        "strength": 0.0 if pick == VICTIM else result.points[pick].strength,
        "is_victim": pick == VICTIM,
        "oracle_attack_success_rate": _rates(result, result.picks.oracle)["attack_success_rate"],
        "optimiser_steps": result.cost.optimiser_steps,
        "seconds": result.cost.seconds,
    }


def _rates(result: Result, pick: int) -> dict[str, float]:
    measured = result.victim if pick == VICTIM else result.points[pick].test
    assert measured is not None
    return {"attack_success_rate": measured.attack_success_rate, "clean_accuracy": measured.clean_accuracy}
