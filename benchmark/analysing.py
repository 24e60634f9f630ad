"""Stage 5: which analyses of its victims a matrix asks for, and what each depends on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from benchmark.analysis import angles, budgets, pictures, planes
from benchmark.analysis.neighbours import Neighbourhood, Neighbours
from benchmark.cells import Laboratory
from benchmark.findings import FINDING_VERSION, StudyId
from benchmark.fingerprint import code_digest, digest
from benchmark.jobs import Job, seeds_of
from benchmark.keys import plugin_identity, with_keys
from benchmark.matrix import Matrix
from benchmark.sections import Analysis
from benchmark.stages.materials import Recent
from benchmark.studies import Measure, Study, victims_of

_KEPT_MODELS = 4
"""Fine-tuned models that wait in memory for the next study of the same victim."""


def studies(matrix: Matrix, jobs: Sequence[Job]) -> list[Study]:
    """The analyses of every poisoned victim, one victim after the other; none unless they are enabled."""
    if not matrix.analysis.enabled:
        return []
    kept = Recent(_KEPT_MODELS)
    victims = [job for job in victims_of(jobs) if job.cell.victim == "poisoned"]
    return [study for job in victims for study in _Victim(job, _around(job, jobs), matrix.analysis, kept).studies()]


def _around(job: Job, jobs: Sequence[Job]) -> Neighbourhood:
    """The jobs of the defenses that studies take vectors from, and a benign twin even where the matrix has none."""
    ours = [other for other in jobs if _place(other) == _place(job)]
    uses = job.matrix.all_defenses

    def named(name: str) -> Job | None:
        labels = [use.name for use in uses if use.name == name] + [use.name for use in uses if use.plugin == name]
        return next((other for label in labels for other in ours if other.cell.defense == label), None)

    cell = job.cell.model_copy(update={"victim": "benign"})
    return Neighbourhood(
        benign=with_keys(dataclasses.replace(job, cell=cell, poisons=0, seeds=seeds_of(cell), imported=None)),
        negation=named(job.matrix.analysis.negation),
        finetune=named(job.matrix.analysis.finetune),
    )


def _place(job: Job) -> dict[str, Any]:
    return job.cell.model_dump(exclude={"source", "defense"})


@dataclass(frozen=True)
class _Victim:
    """Plans the studies of one victim."""

    job: Job
    around: Neighbourhood
    settings: Analysis
    kept: Recent

    def studies(self) -> Iterator[Study]:
        if self.settings.thumbnails and self.job.cell.seed == self.job.matrix.seeds[0]:
            yield self._pictures()
        if self.settings.grid:
            yield self._plane("disentanglement", planes.around_clean_model, twin=True, defended=False)
            yield self._plane("disentanglement_backdoor", planes.around_backdoor, twin=True, defended=False)
            yield self._plane("disentanglement_victim", planes.around_victim, twin=False, defended=True)
        yield self._near("vectors", angles.angles, "benchmark.analysis.angles", {}, twin=True, defended=True)
        if self.settings.budgets:
            yield self._budgets()

    def _plane(
        self, name: str, measure: Callable[[Neighbours, Analysis], dict[str, Any]], *, twin: bool, defended: bool
    ) -> Study:
        settings, module = self.settings, "benchmark.analysis.planes"
        seen = {**settings.model_dump(include={"grid", "extent", "images"}), "test": self.job.matrix.sizes.test}
        return self._near(name, lambda near: measure(near, settings), module, seen, twin=twin, defended=defended)

    def _near(
        self,
        name: str,
        measure: Callable[[Neighbours], dict[str, Any]],
        module: str,
        seen: Mapping[str, Any],
        *,
        twin: bool,
        defended: bool,
    ) -> Study:
        """A study of the models around the victim, its benign ``twin`` or ``defended`` ones among them."""
        around, kept = self.around, self.kept

        def measured(laboratory: Laboratory, job: Job) -> dict[str, Any]:
            return measure(Neighbours(laboratory, job, around, kept))

        identity = {
            "victim": self.job.keys["victim"],
            "benign": around.benign.keys["victim"],
            "recipe": dataclasses.asdict(self.job.model.defend),
            "precision": self.job.matrix.precision,
            "seen": dict(seen),
        }
        defenses = self._defenses() if defended else {}
        identity |= {"defended": [met.keys["defended"] for met in defenses.values() if met is not None]}
        orphan = "needs a benign twin, and how the imported victim was trained is not known"
        skip = orphan if twin and self.job.imported is not None else _hole(defenses)
        return self._study(name, measured, module, identity, dict(seen), skip)

    def _defenses(self) -> dict[str, Job | None]:
        return {self.settings.negation: self.around.negation, self.settings.finetune: self.around.finetune}

    def _budgets(self) -> Study:
        wanted = (
            ("negation", self.around.negation, "triggered_pairs"),
            ("finetune", self.around.finetune, "clean_pairs"),
        )
        sized = {
            method: {pairs: _sized(job, size, pairs) for pairs in self.settings.budgets}
            for method, job, size in wanted
            if job is not None
        }
        keys = {method: {pairs: job.key for pairs, job in jobs.items()} for method, jobs in sized.items()}
        return self._study(
            "data_budget",
            lambda laboratory, job: budgets.compared(laboratory, sized),
            "benchmark.analysis.budgets",
            {"measured": keys},
            {"budgets": list(self.settings.budgets)},
            _hole(self._defenses()),
        )

    def _pictures(self) -> Study:
        count, images = self.settings.thumbnails, min(self.settings.images, self.job.matrix.sizes.validation)

        def measured(laboratory: Laboratory, job: Job) -> dict[str, Any]:
            size = laboratory.artifacts.pretrained(job).image_size
            pairs = laboratory.materials.pairs(job.dataset, "validation", job.matrix.sizes.validation, size)
            return pictures.pictures(laboratory.artifacts.attack(job), pairs.take(torch.arange(images)), count)

        identity = {
            "pretrained": self.job.keys["pretrained"],
            "attack": [plugin_identity(self.job.attack), self.job.keys.get("fitted", "")],
            "dataset": plugin_identity(self.job.dataset),
            "seen": [count, images, self.job.matrix.sizes.validation],
        }
        resolved = {"thumbnails": count, "images": images}
        return self._study("thumbnails", measured, "benchmark.analysis.pictures", identity, resolved, "")

    def _study(
        self,
        name: str,
        measure: Measure,
        module: str,
        identity: Mapping[str, Any],
        resolved: dict[str, Any],
        skip: str,
    ) -> Study:
        cell = self.job.cell
        study = StudyId(
            kind="analysis", name=name, model=cell.model, dataset=cell.dataset, attack=cell.attack, seed=cell.seed
        )
        key = digest(
            {
                "study": study.model_dump(),
                "skip": skip,
                "version": FINDING_VERSION,
                "code": code_digest([module]),
                **identity,
            }
        )
        keys = {stage: used for stage, used in self.job.keys.items() if stage in ("pretrained", "fitted", "victim")}
        keys |= {"benign": self.around.benign.keys["victim"], "analysis": key}
        return Study(id=study, job=self.job, measure=measure, keys=keys, resolved=resolved, skip=skip)


def _hole(defenses: Mapping[str, Job | None]) -> str:
    """Why a study of these defenses is not computed, or empty."""
    for name, job in defenses.items():
        if job is None:
            return f"takes a vector from defense '{name}', which the matrix lacks"
        if job.skip:
            return f"defense '{job.cell.defense}' {job.skip}"
    return ""


def _sized(job: Job, size: str, pairs: int) -> Job:
    """The job with another number of pairs for its defender, measured on its own data set alone."""
    sizes = job.matrix.sizes.model_copy(update={size: pairs})
    matrix = job.matrix.model_copy(update={"sizes": sizes, "rebound": 0})
    return with_keys(dataclasses.replace(job, matrix=matrix, general={}, retrieval={}))
