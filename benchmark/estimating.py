"""What a matrix will cost before anything starts: hours, disk and downloads, every assumption beside its number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

from benchmark.architectures import ModelSpec, model_spec
from benchmark.data.base import Dataset, Split
from benchmark.data.stored import Stored
from benchmark.flops import TRAINING, Flops, forward_flops
from benchmark.jobs import Job
from benchmark.workload import Work

GPU_FLOPS, CPU_FLOPS = 100e12, 0.05e12
"""Assumed operations per second: a third of what an A100 can do in bfloat16, and two cores of a CPU."""

_WEIGHT_BYTES = 4


class Towers(Flops):
    """An architecture in numbers, and what some work on it takes."""

    def operations(self, work: Work) -> float:
        """Floating-point operations of some work; a multiplication and an addition are two."""
        trained = work.pairs * (self.image + self.text) + work.images * self.image
        return TRAINING * trained + work.seen * self.image + work.texts * self.text


@lru_cache(maxsize=16)
def towers(model: str) -> Towers:
    """Counts on tensors without data, so that neither memory nor weights are needed.

    Raises:
        UserError: open_clip knows no such architecture.
    """
    return Towers(**vars(forward_flops(model_spec(model))))


def speed_of(spec: ModelSpec) -> float:
    """Assumed operations per second: embedded models are for CPUs, all others for GPUs."""
    return CPU_FLOPS if spec.config else GPU_FLOPS


@dataclass(frozen=True, kw_only=True)
class Share:
    """One split of a data set at one side: ``count`` images are needed, None stands for all of them."""

    dataset: Dataset
    split: Split
    count: int | None
    side: int

    @property
    def bytes(self) -> float:
        """Of the decoded images."""
        return (self.count or 0) * 3 * self.side**2


def shares(jobs: Iterable[Job]) -> list[Share]:
    """What is decoded from files, each split once; embedded data sets stay in memory."""
    found: dict[tuple[str, Split, int], Share] = {}
    for job in jobs:
        side = towers(job.model.name).side
        for dataset, split, count in _asked(job):
            name = (repr(dataset), split, side)
            before = found[name].count if name in found else 0
            if isinstance(dataset, Stored):
                most = None if count is None or before is None else max(count, before)
                found[name] = Share(dataset=dataset, split=split, count=most, side=side)
    return list(found.values())


def _asked(job: Job) -> Iterator[tuple[Dataset, Split, int | None]]:
    sizes = job.matrix.sizes
    yield job.training, "train", sizes.victim_pairs
    yield job.training, "defender", sizes.clean_pairs
    yield job.dataset, "validation", sizes.validation
    yield job.dataset, "test", sizes.test
    for other in job.general.values():
        yield other, "test", sizes.general
    for other in job.retrieval.values():
        yield other, "test", sizes.retrieval
    for name, other in job.pretraining.items():
        yield other, "train", job.matrix.pretraining.pairs[name] or None


def stored_bytes(jobs: Sequence[Job], has: Callable[[str, str], bool]) -> float:
    """Weights that the store will keep: trained models, and the picked one of every cell."""
    found: dict[tuple[str, str], float] = {}
    for job in jobs:
        weights = towers(job.model.name).parameters * _WEIGHT_BYTES
        kept = {"sibling", "measured"} | ({"victim"} if job.cell.victim != "clean" else set())
        kept |= {"pretrained"} if job.model.pretrain is not None else set()
        for stage, key in job.keys.items():
            if stage in kept and not job.skip and not has(stage, key):
                found[stage, key] = weights
    return sum(found.values())


def downloads(jobs: Sequence[Job], found: Sequence[Share]) -> list[tuple[str, float | None]]:
    """What has to come from the hub, with bytes where they are known; local data and weights need none."""
    specs = {job.model.name: job.model for job in jobs}
    weights: list[tuple[str, float | None]] = [
        (f"weights of {name}", towers(name).parameters * _WEIGHT_BYTES) for name, spec in specs.items() if spec.tag
    ]
    sets: dict[str, tuple[Stored, set[Split]]] = {}
    for share in found:
        if isinstance(share.dataset, Stored) and not share.dataset.at_hand:
            sets.setdefault(repr(share.dataset), (share.dataset, set()))[1].add(share.split)
    return weights + [(f"{dataset.name} ({dataset.path})", _weight(dataset, s)) for dataset, s in sets.values()]


def _weight(dataset: Stored, splits: set[Split]) -> float | None:
    """Bytes of the files that some splits need; the test split may have files of its own."""
    default = next(field.default for field in fields(dataset) if field.name == "path")
    if dataset.download is None or dataset.path != default:
        return None
    training, files, test = dataset.download
    part = min(dataset.shards or files, files) / files
    needed = training * part if splits - {"test"} or not test else 0.0
    return needed + (test if "test" in splits else 0.0)
