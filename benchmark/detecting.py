"""Which detectors of a matrix meet which of its victims."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.jobs import Job
from benchmark.matrix import Matrix
from benchmark.registry import Registry
from benchmark.studies import Study


def studies(matrix: Matrix, registry: Registry, jobs: Sequence[Job]) -> list[Study]:  # noqa: ARG001
    return []
