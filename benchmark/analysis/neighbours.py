"""The models around a victim and the task vectors between them, each made once while studies of one victim go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.analysis.trigger_task import learnt
from benchmark.arithmetic import Vector, difference
from benchmark.errors import ClipdefenseError
from benchmark.models import Clip
from benchmark.poisoning import forget_set
from benchmark.seeds import derive
from benchmark.stages.curve import checked_points
from benchmark.stages.materials import Recent
from benchmark.training import Meter

if TYPE_CHECKING:
    from benchmark.cells import Laboratory
    from benchmark.jobs import Job


@dataclass(frozen=True, kw_only=True)
class Neighbourhood:
    """Jobs of the same model, data set, attack and seed as a victim's.

    Attributes:
        benign: of the victim trained without poison.
        negation: of the defense that subtracts a trigger vector, or None.
        finetune: of the defense that fine-tunes on clean pairs, or None.
    """

    benign: Job
    negation: Job | None
    finetune: Job | None


class Neighbours:
    """Makes the models of a neighbourhood.

    Args:
        laboratory: makes what the cells are made of.
        job: the victim's.
        around: the jobs beside it.
        kept: where fine-tuned models wait for the next study of the same victim.
    """

    def __init__(self, laboratory: Laboratory, job: Job, around: Neighbourhood, kept: Recent) -> None:
        self.laboratory, self.job, self.around, self.kept = laboratory, job, around, kept
        self.clean = laboratory.artifacts.pretrained(job)
        self.victim = laboratory.artifacts.victim(job)

    @property
    def benign(self) -> Clip:
        """The victim's twin: the same training without poison."""
        return self.laboratory.artifacts.victim(self.around.benign)

    def triggered(self) -> Clip:
        """The clean model after learning the trigger alone, on as many triggered training images as were poisoned."""
        job, clean = self.job, self.clean

        def make() -> Clip:
            seed = derive(job.cell.seed, "trigger task", job.cell.model, job.cell.dataset, job.cell.attack)
            attack, templates = self.laboratory.artifacts.attack(job), tuple(job.dataset.templates)
            pairs = self.laboratory.materials.victim_pairs(job, clean.image_size)
            return learnt(
                clean,
                forget_set(attack, pairs, max(2, job.poisons), derive(seed, "rows"), templates),
                templates,
                job.model.defend,
                seed=seed,
                precision=job.matrix.precision,
                progress=self.laboratory.progress,
            )

        return self.kept.get(("triggered", job.keys["victim"]), make)

    @property
    def negation(self) -> Job:
        """The job of the defense that subtracts a trigger vector."""
        return _planned(self.around.negation)

    @property
    def finetune(self) -> Job:
        """The job of the defense that fine-tunes on clean pairs."""
        return _planned(self.around.finetune)

    def trigger_vector(self) -> Vector:
        """What the negation subtracts at strength 1: (victim - its first point) / strength."""
        strength, model = self._points(self.negation, last=False)
        vector = difference(self.victim, model)
        return {name: value / strength for name, value in vector.items()}

    def finetuned(self) -> Clip:
        """The victim at the last point of the defender's fine-tuning on clean pairs."""
        return self._points(self.finetune, last=True)[1]

    def _points(self, job: Job, *, last: bool) -> tuple[float, Clip]:
        """The first or the last point of a defense, run as its own cell runs it."""

        def make() -> tuple[float, Clip]:
            context = self.laboratory.context(job, self.victim, self.clean, Meter())
            points = checked_points(job.defense(self.victim.clone(), context), job.cell.defense)
            found = next(points)
            for point in points if last else ():
                found = point
            return found

        return self.kept.get(("point", last, job.keys["defended"]), make)


def _planned(job: Job | None) -> Job:
    if job is None:
        raise ClipdefenseError("the matrix lacks the defense that this study takes a vector from; add it")
    return job
