"""Which detectors of a matrix meet which of its victims, and what they are given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import torch

from benchmark.cells import Laboratory
from benchmark.detectors import Scored, scored_by
from benchmark.findings import StudyId
from benchmark.fingerprint import code_digest, digest
from benchmark.grants import checked_needs, reason_to_skip
from benchmark.jobs import TRIGGER_NEEDS, Job, seeds_of
from benchmark.keys import plugin_identity, with_keys
from benchmark.matrix import Matrix
from benchmark.registry import Registry, resolved
from benchmark.seeds import derive
from benchmark.stages.detection import detect_images, detect_model, detect_pairs
from benchmark.studies import Study, victims_of
from benchmark.training import Meter

_STAGES = ("pretrained", "fitted", "victim", "sibling")


@dataclass(frozen=True, kw_only=True)
class _Detector:
    """A detector of a matrix, built, with what it scores and what it has to be granted."""

    name: str
    plugin: Any
    scored: Scored
    needs: frozenset[str]

    @classmethod
    def of(cls, name: str, plugin: Any) -> _Detector:
        scored = scored_by(plugin)
        needs = checked_needs(f"detector '{name}'", plugin)
        return cls(
            name=name,
            plugin=plugin,
            scored=scored,
            needs=needs | {"training_pairs"} if scored == "pairs" else needs,
        )


def studies(matrix: Matrix, registry: Registry, jobs: Sequence[Job]) -> list[Study]:
    """One study per detector and victim, victim by victim.

    Detectors of whole models also meet benign fine-tunes, as many as there are poisoned victims of a model and data
    set: first those of the matrix's seeds, then others.
    """
    built = [(use.name, registry.build("detector", use.plugin, use.parameters)) for use in matrix.detectors]
    detectors = [_Detector.of(name, plugin) for name, plugin in built]
    if not detectors:
        return []
    victims = [job for job in victims_of(jobs) if job.cell.victim != "clean"]
    ours = [d for d in detectors if d.scored != "model"]
    theirs = [d for d in detectors if d.scored == "model"]
    found = [_study(job, d) for job in victims for d in (detectors if job.cell.victim == "poisoned" else ours)]
    return found + [_study(job, d) for job in _benign(matrix, victims if theirs else []) for d in theirs]


def _benign(matrix: Matrix, victims: Sequence[Job]) -> Iterator[Job]:
    """A benign fine-tune for every poisoned victim, with a seed of its own."""
    places: dict[tuple[str, str], list[Job]] = {}
    for job in victims:
        if job.cell.victim == "poisoned":
            places.setdefault((job.cell.model, job.cell.dataset), []).append(job)
    for poisoned in places.values():
        probe = next((job for job in poisoned if job.cell.attack == matrix.benign), poisoned[0])
        for seed, _ in zip(_seeds(matrix), poisoned, strict=False):
            cell = probe.cell.model_copy(update={"victim": "benign", "seed": seed})
            yield replace(probe, cell=cell, poisons=0)


def _seeds(matrix: Matrix) -> Iterator[int]:
    yield from matrix.seeds
    yield from count(max(matrix.seeds) + 1)


def _study(job: Job, detector: _Detector) -> Study:
    """The detector stands where a cell has its defense, so that it is given what a defense would be."""
    source = "given" if detector.needs & TRIGGER_NEEDS else "none"
    cell = job.cell.model_copy(update={"defense": detector.name, "source": source})
    seeds = seeds_of(cell)
    seeds["pairs"] = derive(cell.seed, "detection pairs", cell.model, cell.dataset, cell.attack)
    job = replace(job, cell=cell, defense=detector.plugin, seeds=seeds, needs=detector.needs, keys={})
    job = with_keys(replace(job, skip=_reason_to_skip(job, detector)))
    plugins = {"detector" if kind == "defense" else kind: code for kind, code in job.plugins.items()}
    place = {name: getattr(cell, name) for name in ("model", "dataset", "attack", "seed", "victim")}
    identity = StudyId(kind="detection", name=detector.name, **place)
    keys = {stage: job.keys[stage] for stage in _STAGES if stage in job.keys}
    return Study(
        id=identity,
        job=replace(job, plugins=plugins),
        measure=_MEASURES[detector.scored],
        keys={**keys, "detection": _key(job, detector, identity)},
        resolved={
            "detector": resolved(detector.plugin),
            "scored": detector.scored,
            "needs": sorted(detector.needs),
            "poisons": job.poisons,
            "sizes": job.matrix.sizes.model_dump(),
        },
        skip=job.skip,
    )


def _reason_to_skip(job: Job, detector: _Detector) -> str:
    if detector.scored == "pairs" and not job.poisons:
        return "its training pairs hold no poison to be found"
    return reason_to_skip(job.matrix, job.model, detector.plugin, detector.needs)


def _key(job: Job, detector: _Detector, identity: StudyId) -> str:
    """What a defended model would depend on, and what it is measured with."""
    sizes = job.matrix.sizes
    return digest(
        {
            "defended": job.keys["defended"],
            "attack": [plugin_identity(job.attack), job.keys.get("fitted", "")] if detector.scored != "model" else "",
            "study": identity.model_dump(),
            "sizes": {
                "pairs": [sizes.detection_pairs, job.seeds["pairs"]],
                "images": [sizes.validation, sizes.test],
                "model": [],
            }[detector.scored],
            "code": code_digest(["benchmark.stages.detection"]),
        }
    )


def _given(laboratory: Laboratory, job: Job) -> tuple[Any, Any]:
    """The victim and the detector's context."""
    clean, victim = laboratory.artifacts.pretrained(job), laboratory.artifacts.victim(job)
    return victim, laboratory.context(job, victim, clean, Meter())


def _of_pairs(laboratory: Laboratory, job: Job) -> dict[str, Any]:
    victim, context = _given(laboratory, job)
    clean = laboratory.materials.victim_pairs(job, victim.image_size)
    trained = laboratory.artifacts.victim_training_pairs(job)
    order = torch.randperm(len(trained), generator=torch.Generator().manual_seed(job.seeds["pairs"]))
    rows = order[: job.matrix.sizes.detection_pairs]
    poisoned = trained.take(rows).without_labels()
    return detect_pairs(job.cell.defense, job.defense, victim, clean.take(rows), poisoned, context)


def _of_images(laboratory: Laboratory, job: Job) -> dict[str, Any]:
    victim, context = _given(laboratory, job)
    seen = laboratory.materials.examination(job, laboratory.artifacts.attack(job), victim.image_size)
    return detect_images(job.cell.defense, job.defense, victim, seen.validation, seen.test, context)


def _of_models(laboratory: Laboratory, job: Job) -> dict[str, Any]:
    victim, context = _given(laboratory, job)
    return detect_model(job.cell.defense, job.defense, victim, context)


_MEASURES: dict[Scored, Callable[[Laboratory, Job], dict[str, Any]]] = {
    "pairs": _of_pairs,
    "images": _of_images,
    "model": _of_models,
}
