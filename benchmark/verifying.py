"""``clipdefense verify``: cells of a run computed once more, and held against what is stored of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from benchmark.agreement import Difference, differences, same_numbers, same_outcomes
from benchmark.artifacts import Artifacts
from benchmark.cells import Computed, Laboratory, failure
from benchmark.errors import StorageError, UserError
from benchmark.jobs import Job
from benchmark.progress import Progress
from benchmark.results import Outcomes, Result
from benchmark.runs import RunFolder
from benchmark.seeds import derive
from benchmark.stages.materials import Materials
from benchmark.store import Store

TRAINED = ("pretrained", "fitted", "victim", "sibling", "inversion")
"""Stages whose output the store keeps."""


@dataclass(frozen=True)
class Verdict:
    """What came of one cell: whether it agrees, and a line that says how well."""

    agrees: bool
    line: str


class Drawn(NamedTuple):
    """Jobs to compute again, and how many ok cells of the run nobody can: they are of other code or settings."""

    jobs: list[Job]
    foreign: int


def draw(folder: RunFolder, jobs: Sequence[Job], count: int, seed: int) -> Drawn:
    """Ok cells of a run at random, in the order of computing; the same for the same run and seed.

    Raises:
        UserError: there is none that the present code and matrix would compute.
    """
    known = {job.key: job for job in jobs}
    done = [cell.key for cell in folder.plan().cells if (r := folder.whole(cell.key)) is not None and r.status == "ok"]
    mine = sorted(key for key in done if key in known)
    if not mine:
        reason = "all of them were computed by other code or settings" if done else "none is finished"
        raise UserError(f"no cell in '{folder.path}' can be verified: {reason}; run the matrix first")
    generator = np.random.default_rng(derive(seed, "verify"))
    chosen = set(generator.permutation(mine)[:count])
    return Drawn([job for job in jobs if job.key in chosen], len(done) - len(mine))


def verify(
    folder: RunFolder, jobs: Sequence[Job], store: Store, device: torch.device, progress: Progress
) -> Iterator[Verdict]:
    """Computes jobs again, with models from the store where it has them, and compares.

    The measured stage of the store is neither read nor written.

    Raises:
        StorageError: models can no longer be kept.
    """
    materials = Materials()
    laboratory = Laboratory(Artifacts(store, materials, device, progress), materials, device, progress)
    with progress.task("verifying", len(jobs)) as advance:
        for job in jobs:
            stored = folder.whole(job.key)
            assert stored is not None
            try:
                yield judge(stored, folder.outcomes(job.key), laboratory.compute(job))
            except (StorageError, UserError):
                raise
            except (Exception, SystemExit) as error:
                yield Verdict(False, f"differs  {job.cell.text}: {failure(job, error, device).reason}")
            advance(1)


def judge(stored: Result, outcomes: Outcomes | None, again: Computed) -> Verdict:
    """Bit-equal, or within the tolerance where another device or another package computed it, or different."""
    text, now = stored.cell.text, again.result
    if same_numbers(stored, now) and same_outcomes(outcomes, again.outcomes):
        return Verdict(True, f"equal    {text}: every number and every image{_trained(now)}")
    elsewhere = _elsewhere(stored, now)
    then, here = ([point.strength for point in result.points] for result in (stored, now))
    if len(then) != len(here) or not np.allclose(then, here):
        return Verdict(False, f"differs  {text}: strengths {then} then and {here} now")
    largest = max(differences(stored, now), key=lambda difference: (difference.excess, difference.size))
    agrees = largest.excess <= 0 and bool(elsewhere)
    why = elsewhere or "same device and packages, so nothing may differ"
    return Verdict(agrees, f"{'close  ' if agrees else 'differs'}  {text}: {_words(largest)}; {why}{_trained(now)}")


def _words(largest: Difference) -> str:
    return f"{largest.size:.4f} apart at worst ({largest.name}; {largest.allowed:.3f} allowed elsewhere)"


def _elsewhere(stored: Result, now: Result) -> str:
    """What differs between then and now, or an empty text."""
    then = stored.provenance
    assert then is not None and now.provenance is not None
    here = now.provenance
    parts = [] if then.device == here.device else [f"device {then.device} then, {here.device} now"]
    parts += [
        f"{name} {then.packages.get(name, 'absent')} then, {here.packages.get(name, 'absent')} now"
        for name in sorted(then.packages.keys() | here.packages.keys())
        if then.packages.get(name) != here.packages.get(name)
    ]
    return "; ".join(parts)


def _trained(now: Result) -> str:
    """Which stages were trained for this cell; later cells share what was trained for earlier ones."""
    assert now.provenance is not None
    found = [stage for stage in TRAINED if stage in now.provenance.stage_seconds]
    return f" (trained: {', '.join(found)})" if found else ""
