"""``clipdefense export-model``: a trained model of a run as a file that plain open_clip reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from benchmark.artifacts import Artifacts
from benchmark.errors import UserError
from benchmark.jobs import Job
from benchmark.models import Clip
from benchmark.open_clip_files import export, refuse_place

What = Literal["victim", "defended"]
_SHOWN = 3


def one_of(jobs: Sequence[Job], what: What, *, poisoned: bool = True) -> Job:
    """The job whose model is meant.

    Args:
        jobs: those that the user's choice leaves.
        what: the victim, or the defended model at the blind pick.
        poisoned: whether poisoned victims are meant where there are others beside them.

    Raises:
        UserError: none or several models are left.
    """
    left = [job for job in jobs if job.cell.victim == "poisoned"] if poisoned else list(jobs)
    stage = "victim" if what == "victim" else "measured"
    models: dict[str, Job] = {}
    for job in left:
        models.setdefault(job.keys[stage], job)
    if len(models) == 1:
        return next(iter(models.values()))
    named = [_named(job, what) for job in models.values()]
    some = "; ".join(named[:_SHOWN]) + ("; ..." if len(named) > _SHOWN else "")
    raise UserError(
        f"the choice leaves {len(models)} {what} models{f' ({some})' if some else ''}; take one with --only "
        "dimension=value"
    )


def _named(job: Job, what: What) -> str:
    cell = job.cell
    if what == "defended":
        return cell.text
    kind = "" if cell.victim == "poisoned" else f" [{cell.victim}]"
    return f"{cell.model} / {cell.dataset} / {cell.attack}{kind} / seed {cell.seed}"


def export_model(job: Job, what: What, out: Path, artifacts: Artifacts, *, force: bool = False) -> str:
    """Writes the model of a job that was run; says how plain open_clip reads it.

    Raises:
        UserError: the job was not run yet, its pick is the victim itself, or the place is taken or wrong.
        ClipdefenseError: the model has adapters, so that it is more than its weights.
    """
    refuse_place(out, force=force)
    model = _victim(job, artifacts) if what == "victim" else _defended(job, artifacts)
    return f"{what} model of {_named(job, what)} in {out}; {export(model, out)}"


def _victim(job: Job, artifacts: Artifacts) -> Clip:
    stage = "pretrained" if job.cell.victim == "clean" else "victim"
    trained = job.model.pretrain is not None if stage == "pretrained" else job.imported is None
    if trained and artifacts.store.read(stage, job.keys[stage]) is None:
        raise UserError(f"the victim {_named(job, 'victim')} is not in the store; run its matrix first")
    return artifacts.victim(job)


def _defended(job: Job, artifacts: Artifacts) -> Clip:
    if not artifacts.store.has("measured", job.keys["measured"]):
        raise UserError(f"{job.cell.text} is not in the store; run its matrix first")
    model = artifacts.picked(job)
    if model is None:
        raise UserError(
            f"{job.cell.text}: no point was within the budget, so the pick is the victim itself; export that with "
            "--what victim"
        )
    return model
