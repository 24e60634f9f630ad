"""The estimate of a matrix as tables: hours by stage, disk, downloads, and what was assumed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Group

from benchmark.console import table
from benchmark.estimating import CPU_FLOPS, GPU_FLOPS, downloads, shares, speed_of, stored_bytes, towers
from benchmark.jobs import Job
from benchmark.workload import Work, works

_ASSUMED = (
    f"assumed: a GPU does {GPU_FLOPS / 1e12:g} TFLOP/s, about a third of an A100's bfloat16 peak; embedded models run "
    f"on two cores of a CPU at {CPU_FLOPS / 1e12:g} TFLOP/s; divide by what yours reaches",
    "assumed: a training step costs three forward passes; a loss that sees an image twice (CleanCLIP) costs twice that",
    "assumed: every rung of a ladder is climbed, and every point of a defense builds the text classifier anew",
    "not counted: fitting of optimised triggers, decoding, attacks within a defense's loss, analyses",
)


def bill(jobs: Sequence[Job], done: Callable[[str, str], bool]) -> Group:
    """What is still to be paid for: what ``done`` says is in the store costs nothing."""
    planned = works(jobs, done)
    cells = {job.key for job in jobs if not job.skip}
    missing = {key for key in cells if not done("measured", key)}
    found = shares(jobs)
    images = sum(share.bytes for share in found)
    unknown = [f"{share.dataset.name} {share.split}" for share in found if share.count is None]
    weights = stored_bytes(jobs, done)
    fetched = downloads(jobs, found)
    decoded = size(images) + (" and more" if unknown else "") if found else "none, embedded data stay in memory"
    disk = [("decoded images (count x 3 x side x side bytes)", decoded)]
    disk += [(f"decoded images of {name}, whole split", "unknown") for name in unknown]
    disk += [("weights of trained and picked models (4 bytes a parameter)", size(weights))]
    rows: list[Any] = [
        f"{len(missing)} of {len(cells)} cells to compute",
        table(_COLUMNS, [*map(_row, planned), _total(planned)]),
        "",
        table(("disk", "about"), disk),
        "",
        table(
            ("download, unless cached already", "about"), [(n, size(weight)) for n, weight in fetched] or [("none", "")]
        ),
        "",
        *_ASSUMED,
    ]
    return Group(*rows)


_COLUMNS = ("stage", "model", "artifacts", "trained on", "only looked at", "texts", "PFLOP", "hours (assumed)")


def _row(work: Work) -> tuple[str, ...]:
    operations = towers(work.spec.name).operations(work)
    trained = work.pairs + work.images
    counts = (f"{count:,}" if count else "-" for count in (work.artifacts, trained, work.seen, work.texts))
    place = "CPU" if work.spec.config else "GPU"
    hours = operations / speed_of(work.spec) / 3600
    return (
        work.stage,
        work.spec.name,
        *counts,
        f"{operations / 1e15:,.{1 if operations > 1e15 else 4}f}",
        f"{hours:.2f} {place}",
    )


def _total(planned: Sequence[Work]) -> tuple[str, ...]:
    hours = {"GPU": 0.0, "CPU": 0.0}
    for work in planned:
        place = "CPU" if work.spec.config else "GPU"
        hours[place] += towers(work.spec.name).operations(work) / speed_of(work.spec) / 3600
    told = ", ".join(f"{count:.2f} {place}" for place, count in hours.items() if count)
    return "all", "", "", "", "", "", "", told or "nothing"


def size(count: float | None) -> str:
    """Bytes for people, or "unknown"."""
    if count is None:
        return "unknown"
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"
