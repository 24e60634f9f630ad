"""Stage 5: which analyses of its victims a matrix asks for."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.jobs import Job
from benchmark.matrix import Matrix
from benchmark.studies import Study


def studies(matrix: Matrix, jobs: Sequence[Job]) -> list[Study]:  # noqa: ARG001
    return []
