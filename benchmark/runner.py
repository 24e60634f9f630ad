"""The runner: decides what is computed and in which order, survives what fails, and goes on where it stopped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch

from benchmark.artifacts import BLIND, Artifacts, save_model
from benchmark.cells import Computed, Laboratory, describe, failure
from benchmark.errors import StorageError, UserError
from benchmark.findings import Finding, StudyId
from benchmark.jobs import Job
from benchmark.matrix import Matrix
from benchmark.planning import plan_of
from benchmark.progress import Progress
from benchmark.results import CellId, Result
from benchmark.runs import FindingFiles, ResultFiles, RunFolder
from benchmark.stages.materials import Materials
from benchmark.store import Store
from benchmark.studies import Study, compute, failure_of, finding_of


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto" is the first GPU, or the CPU.

    Raises:
        UserError: there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"no device named '{name}'; use auto, cpu or cuda:0") from error
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise UserError(f"device '{name}' is not here ({torch.cuda.device_count()} GPUs found); use auto or cpu")
    return device


def selected(jobs: Sequence[Job], studies: Sequence[Study], only: Iterable[str]) -> tuple[list[Job], list[Study]]:
    """The jobs and studies that match every ``dimension=value``; values of one dimension are alternatives.

    A study has no defense and no source, so that a choice among these leaves all studies out.

    Raises:
        UserError: a dimension or a value does not exist in the matrix.
    """
    wanted = _wanted(jobs, only)
    if not wanted:
        return list(jobs), list(studies)

    def chosen(place: CellId | StudyId) -> bool:
        return all(str(getattr(place, name, None)) in values for name, values in wanted.items())

    return [job for job in jobs if chosen(job.cell)], [study for study in studies if chosen(study.id)]


def _wanted(jobs: Sequence[Job], only: Iterable[str]) -> dict[str, set[str]]:
    wanted: dict[str, set[str]] = {}
    for choice in only:
        dimension, separator, value = choice.partition("=")
        if not jobs or not separator or dimension not in type(jobs[0].cell).model_fields:
            known = ", ".join(type(jobs[0].cell).model_fields) if jobs else ""
            raise UserError(f"--only {choice}: write dimension=value with one of {known}")
        values = sorted({str(getattr(job.cell, dimension)) for job in jobs})
        if value not in values:
            raise UserError(f"--only {choice}: this matrix has no {dimension} '{value}'; it has {', '.join(values)}")
        wanted.setdefault(dimension, set()).add(value)
    return wanted


class Runner:
    """Runs the jobs of one matrix into a run folder, with a store shared by all matrices."""

    def __init__(self, folder: RunFolder, store: Store, device: torch.device, progress: Progress) -> None:
        self.folder, self.store, self.device, self.progress = folder, store, device, progress
        materials = Materials(progress)
        artifacts = Artifacts(store, materials, device, progress)
        self.laboratory = Laboratory(artifacts, materials, device, progress)

    def finished(self, job: Job) -> Result | None:
        """The job's result from the run folder, or from the store that other matrices wrote to."""
        found = self.folder.whole(job.key)
        if found is None and (place := self.store.read("measured", job.key)) is not None:
            stored = ResultFiles(place)
            found = stored.whole(job.key)
            if found is not None:
                self.folder.write(found, stored.outcomes(job.key))
        return found

    def run(
        self,
        matrix: Matrix,
        jobs: Sequence[Job],
        chosen: Sequence[Job],
        *,
        retry_failed: bool = False,
        told: Callable[[Result | Finding], None] = lambda result: None,
        studies: Sequence[Study] = (),
        chosen_studies: Sequence[Study] = (),
    ) -> Counter[str]:
        """Computes what is missing among the chosen jobs and then studies, in order; counts them by status.

        Args:
            matrix: the matrix itself, for the plan.
            jobs: all of its jobs; the plan lists them even where only some are chosen.
            chosen: what is to be computed now.
            studies: all of its studies.
            chosen_studies: which of them are to be computed now.
            retry_failed: forget earlier failures.
            told: is told every new result and finding.

        Raises:
            StorageError: results can no longer be kept.
        """
        self.folder.write_plan(plan_of(matrix, jobs, studies))
        counts: Counter[str] = Counter()
        with self.progress.task(f"matrix {matrix.name}", len(chosen) + len(chosen_studies)) as advance:
            for job in chosen:
                result = self.finished(job)
                if result is not None and result.status == "failed" and retry_failed:
                    self._forget(job)
                    result = None
                if result is None:
                    result = self._one(job)
                    told(result)
                counts[result.status] += 1
                advance(1)
            for study in chosen_studies:
                finding = self.found(study)
                if finding is not None and finding.status == "failed" and retry_failed:
                    self._forget(study)
                    finding = None
                if finding is None:
                    finding = self._study(study)
                    told(finding)
                counts[finding.status] += 1
                advance(1)
        return counts

    def found(self, study: Study) -> Finding | None:
        """The study's finding from the run folder, or from the store that other matrices wrote to."""
        finding = self.folder.findings.read(study.key)
        if finding is None and (place := self.store.read(study.id.kind, study.key)) is not None:
            finding = FindingFiles(place).read(study.key)
            if finding is not None:
                self.folder.findings.write(finding)
        return finding

    def _study(self, study: Study) -> Finding:
        if study.skip:
            finding = finding_of(study, "skipped", self.device, reason=study.skip)
        else:
            try:
                with self.store.started(study.id.kind, study.key):
                    finding = compute(study, self.laboratory)
            except (StorageError, UserError):
                raise
            except (Exception, SystemExit) as error:
                finding = failure_of(study, error, self.device)
        if finding.status == "ok":
            self.store.write(study.id.kind, study.key, lambda place: FindingFiles(place).write(finding))
        self.folder.findings.write(finding)
        return finding

    def _forget(self, work: Job | Study) -> None:
        if isinstance(work, Job):
            self.store.remove("measured", work.key)
        for stage, key in work.keys.items():
            self.store.forget_deaths(stage, key)

    def _one(self, job: Job) -> Result:
        if job.skip:
            return self._keep(Computed(result=describe(job, "skipped", device=self.device, reason=job.skip)))
        try:
            with self.store.started("measured", job.key):
                computed = self.laboratory.compute(job)
        except (StorageError, UserError):
            raise
        except (Exception, SystemExit) as error:
            computed = Computed(result=failure(job, error, self.device))
        return self._keep(computed)

    def _keep(self, computed: Computed) -> Result:
        """Into the store first, so that a result in the run folder is always backed."""
        result, curve = computed.result, computed.curve

        def fill(place: Path) -> None:
            ResultFiles(place).write(result, computed.outcomes)
            if curve is not None and curve.blind_model is not None and curve.blind >= 0:
                save_model(curve.blind_model, place, BLIND)

        if result.status == "ok":
            self.store.write("measured", result.key, fill)
        self.folder.write(result, computed.outcomes)
        return result
