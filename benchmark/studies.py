"""Studies: what is measured of victims beside the cells, planned from the same matrix and kept in the same store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from benchmark.cells import Laboratory, provenance_of, reason_of, trace_of
from benchmark.findings import Finding, StudyId
from benchmark.jobs import Job
from benchmark.results import Status
from benchmark.runs import PlannedStudy

Measure = Callable[[Laboratory, Job], dict[str, Any]]
"""Measures a victim: the laboratory makes models and data, the job says which. Returns what JSON can hold."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study with everything that computing it takes.

    Attributes:
        job: a cell of the same victim, from which models, data and seeds come.
        measure: what computes the values.
        keys: of the stages that it needs, and its own under its kind.
        resolved: its hyperparameters, for the record.
        skip: why it is not computed, or empty.
    """

    id: StudyId
    job: Job
    measure: Measure
    keys: dict[str, str]
    resolved: dict[str, Any] = field(default_factory=dict)
    skip: str = ""

    @property
    def key(self) -> str:
        return self.keys[self.id.kind]

    @property
    def planned(self) -> PlannedStudy:
        return PlannedStudy(study=self.id, keys=self.keys)


def victims_of(jobs: Sequence[Job]) -> Iterator[Job]:
    """One job per victim: the cell in which nothing defends it."""
    return (job for job in jobs if job.cell.defense == "none")


def compute(study: Study, laboratory: Laboratory) -> Finding:
    """Runs one study to its end."""
    laboratory.artifacts.seconds = {}
    started = time.perf_counter()
    values = study.measure(laboratory, study.job)
    trained = sum(laboratory.artifacts.seconds.values())
    return finding_of(study, "ok", laboratory.device).model_copy(
        update={"values": values, "seconds": time.perf_counter() - started - trained}
    )


def failure_of(study: Study, error: BaseException, device: torch.device) -> Finding:
    """A failed finding: one sentence as the reason, the traceback for those who mend it."""
    return finding_of(study, "failed", device, reason=reason_of(error), trace=trace_of(error))


def finding_of(study: Study, status: Status, device: torch.device, *, reason: str = "", trace: str = "") -> Finding:
    """A finding without values: what the study is, and how it came about."""
    return Finding(
        key=study.key,
        study=study.id,
        status=status,
        reason=reason,
        traceback=trace,
        resolved=study.resolved,
        provenance=provenance_of(study.job, device).model_copy(update={"keys": study.keys}),
    )
