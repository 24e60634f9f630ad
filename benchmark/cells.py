"""One cell from job to Result: gather the models and resources, run the defense, measure, write down."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from benchmark.artifacts import Artifacts, target_of
from benchmark.errors import ClipdefenseError
from benchmark.gate import judge, outside
from benchmark.jobs import Job, given
from benchmark.metrics import METRIC_VERSION
from benchmark.models import Clip
from benchmark.poisoning import forget_set
from benchmark.progress import Progress
from benchmark.provenance import device_name, git_commit, package_versions, utc_now
from benchmark.results import Cost, Counts, Outcomes, Picks, Provenance, Result, Status
from benchmark.seeds import derive
from benchmark.stages.contexts import bound_train, head_of, make_context
from benchmark.stages.curve import Curve, Examination, Examined, climb, measured_record, outcomes_of
from benchmark.stages.materials import Materials, Measurements
from benchmark.stages.rebound import rebound
from benchmark.training import Meter, overridden
from benchmark.types import Attack, Context, Pairs


@dataclass(frozen=True, kw_only=True)
class Computed:
    """A Result, its per-image outcomes, and the picked models; the last two are None unless it is ok."""

    result: Result
    outcomes: Outcomes | None = None
    curve: Curve | None = None


class Laboratory:
    """Computes cells; what many of them share is made once and kept."""

    def __init__(self, artifacts: Artifacts, materials: Materials, device: torch.device, progress: Progress) -> None:
        self.artifacts, self.materials, self.device, self.progress = artifacts, materials, device, progress
        self.measurements = Measurements()

    def compute(self, job: Job) -> Computed:
        """Runs one cell to its end.

        Raises:
            ClipdefenseError: a plugin or the data cannot be used as asked.
        """
        self.artifacts.seconds = {}
        clean, attack = self.artifacts.pretrained(job), self.artifacts.attack(job)
        victim = self.artifacts.victim(job)
        examination = self.materials.examination(job, attack, clean.image_size)
        trigger = (repr(job.dataset), job.cell.attack, repr(attack), job.keys.get("fitted"))
        untouched = self.measurements.get((job.keys["pretrained"], *trigger), lambda: examination.of(clean))
        before = self.measurements.get((job.keys["victim"], *trigger), lambda: examination.of(victim))
        if job.imported is not None and (why := outside(job.imported.expected, before.validation.metrics)):
            raise ClipdefenseError(f"the imported victim '{job.imported.path.name}' is refused: {why}")
        meter = Meter()
        context = self.context(job, victim, clean, meter)
        curve = climb(
            victim,
            before,
            job.defense,
            context,
            examination,
            budget=job.matrix.budget,
            name=job.cell.defense,
        )
        result = self._result(job, untouched, before, curve, meter, examination)
        result = result.model_copy(update={"rebound": self._rebound(job, curve, clean.image_size, examination)})
        return Computed(result=result, outcomes=outcomes_of(before, curve), curve=curve)

    def _rebound(self, job: Job, curve: Curve, image_size: int, examination: Examination) -> float | None:
        """Of the blind pick of a poisoned victim, where the matrix asks for it; no part of the defense's cost."""
        if not job.matrix.rebound or job.cell.victim != "poisoned" or curve.blind_model is None:
            return None
        return rebound(
            curve.blind_model,
            self.materials.defender_pairs(job, image_size),
            overridden(job.model.defend, epochs=job.matrix.rebound),
            examination.test,
            seed=derive(job.seeds["defense"], "rebound"),
            precision=job.matrix.precision,
            progress=self.progress,
        )

    def _training(self, job: Job, meter: Meter, seed: int) -> Any:
        return bound_train(
            job.model.defend,
            seed=seed,
            precision=job.matrix.precision,
            meter=meter,
            progress=self.progress,
            description=f"{job.cell.defense} on {job.cell.attack}",
            head=head_of(job),
        )

    def context(self, job: Job, victim: Clip, clean: Clip, meter: Meter) -> Context:
        """The context of the job's defense; resources are made only for what it needs."""
        needs = given(job.defense.needs, job.matrix)
        resources: dict[str, Any] = {}
        pairs = self.materials.defender_pairs(job, clean.image_size)
        if needs & {"trigger", "triggered_pairs", "target"}:
            source = self.artifacts.source(job, lambda: self._invert(job, victim, clean, meter))
            resources |= self._of_trigger(job, source, needs, clean.image_size)
        makers: dict[str, Callable[[], Any]] = {
            "clean_pairs": lambda: pairs,
            "clean_images": lambda: pairs.images,
            "labels": lambda: True,
            "reference_model": clean.clone,
            "sibling_models": lambda: (self.artifacts.sibling(job).clone(),),
            "training_pairs": lambda: self._training_pairs(job, labelled="labels" in needs),
        }
        resources |= {need: make() for need, make in makers.items() if need in needs}
        return self._make_context(job, resources, self._training(job, meter, job.seeds["defense"]), "defense")

    def _training_pairs(self, job: Job, *, labelled: bool) -> Pairs:
        pairs = self.artifacts.victim_training_pairs(job)
        return pairs if labelled else pairs.without_labels()

    def _make_context(self, job: Job, resources: dict[str, Any], train: Any, stage: str) -> Context:
        return make_context(
            class_names=job.dataset.class_names,
            templates=job.dataset.templates,
            seed=job.seeds[stage],
            device=self.device,
            train=train,
            resources=resources,
        )

    def _of_trigger(self, job: Job, source: Attack, needs: frozenset[str], image_size: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if "trigger" in needs:
            found["trigger"] = source
        if "target" in needs:
            found["target"] = target_of(source)
        if "triggered_pairs" in needs:
            found["triggered_pairs"] = forget_set(
                source,
                self.materials.defender_pairs(job, image_size),
                job.matrix.sizes.triggered_pairs,
                derive(job.seeds["defense"], "forget"),
                job.training.templates,
            )
        return found

    def _invert(self, job: Job, victim: Clip, clean: Clip, meter: Meter) -> Attack:
        assert job.inverter is not None
        needs = given(job.inverter.needs, job.matrix)
        pairs = self.materials.defender_pairs(job, clean.image_size)
        makers: dict[str, Any] = {"clean_pairs": pairs, "clean_images": pairs.images, "labels": True}
        resources = {need: value for need, value in makers.items() if need in needs}
        train = self._training(job, meter, job.seeds["inversion"])
        return job.inverter(victim, self._make_context(job, resources, train, "inversion"))

    def _result(
        self, job: Job, clean: Examined, before: Examined, curve: Curve, meter: Meter, examination: Examination
    ) -> Result:
        ranked = job.cell.victim == "poisoned"
        return describe(job, "ok", device=self.device, stage_seconds=self._seconds(curve)).model_copy(
            update={
                "classes": len(job.dataset.class_names),
                "counts": _counts(before, examination),
                "clean": measured_record(clean.test),
                "victim": measured_record(before.test),
                "victim_validation": measured_record(before.validation),
                "victim_general_accuracy": before.general,
                "gate": judge(before.validation.metrics, clean.validation.metrics) if ranked else None,
                "clean_retrieval": clean.retrieval,
                "victim_retrieval": before.retrieval,
                "ladder": self.artifacts.rungs(job),
                "points": tuple(curve.points),
                "picks": Picks(budget=job.matrix.budget, blind=curve.blind, oracle=curve.oracle),
                "cost": self._cost(job, curve, meter),
            }
        )

    def _seconds(self, curve: Curve) -> dict[str, float]:
        return {**self.artifacts.seconds, "defended": curve.seconds, "measured": curve.measuring_seconds}

    def _cost(self, job: Job, curve: Curve, meter: Meter) -> Cost:
        needs, sizes = frozenset[str](job.defense.needs), job.matrix.sizes
        return Cost(
            seconds=curve.seconds,
            device_seconds=curve.seconds if self.device.type == "cuda" else 0.0,
            peak_memory_bytes=curve.peak_memory,
            clean_pairs=sizes.clean_pairs if needs & {"clean_pairs", "clean_images"} else 0,
            triggered_pairs=sizes.triggered_pairs if "triggered_pairs" in needs else 0,
            optimiser_steps=meter.steps,
            pairs_seen=meter.pairs,
            trainable_parameters=meter.trainable,
        )


def _counts(before: Examined, examination: Examination) -> Counts:
    validation, test = before.validation.predictions, before.test.predictions
    return Counts(
        validation=len(validation.labels),
        validation_other=int(validation.other.sum()),
        test=len(test.labels),
        test_other=int(test.other.sum()),
        general=sum(len(other.pairs) for other in examination.general),
    )


def describe(
    job: Job,
    status: Status,
    *,
    device: torch.device,
    reason: str = "",
    trace: str = "",
    stage_seconds: dict[str, float] | None = None,
) -> Result:
    """A Result without measurements: what the cell is, and how it came about."""
    return Result(
        metric_version=METRIC_VERSION,
        key=job.key,
        cell=job.cell,
        status=status,
        reason=reason,
        traceback=trace,
        knowledge=tuple(sorted(job.needs)),
        resolved=job.resolved(),
        provenance=provenance_of(job, device, stage_seconds),
    )


def provenance_of(job: Job, device: torch.device, stage_seconds: dict[str, float] | None = None) -> Provenance:
    """Where what is computed for a job comes from, as of now."""
    return Provenance(
        utc=utc_now(),
        device=device_name(device),
        git_commit=git_commit(),
        packages=package_versions(),
        keys=job.keys,
        plugins=job.plugins,
        seeds=job.seeds,
        stage_seconds=stage_seconds or {},
    )


def failure(job: Job, error: BaseException, device: torch.device) -> Result:
    """A failed Result: one sentence as the reason, the traceback for those who mend the plugin."""
    return describe(job, "failed", device=device, reason=reason_of(error), trace=trace_of(error))


def reason_of(error: BaseException) -> str:
    """What went wrong, in one sentence."""
    if isinstance(error, ClipdefenseError):
        return str(error)
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return "out of memory; lower the batch size or run on a larger device"
    return f"{type(error).__name__}: {error}"


def trace_of(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))
