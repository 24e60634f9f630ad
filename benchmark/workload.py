"""How much a matrix has to compute: pairs trained on, images and texts encoded, stage by stage, from its jobs alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from benchmark.architectures import ModelSpec
from benchmark.data.asking import known_classes
from benchmark.jobs import Job
from benchmark.poisoning import routes_of

POINTS = ("alpha_steps", "share_steps", "steps", "epochs")
"""Parameters that say how many points a defense yields, the first of them that it has."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one model does in one stage.

    Attributes:
        stage: its name.
        spec: the model.
        artifacts: how many things are made.
        pairs: pairs passed through both towers in training, every epoch counted.
        images: images passed through the vision tower alone in training.
        seen: images encoded without training.
        texts: texts encoded without training.
    """

    stage: str
    spec: ModelSpec
    artifacts: int = 1
    pairs: int = 0
    images: int = 0
    seen: int = 0
    texts: int = 0


def works(jobs: Iterable[Job], done: Callable[[str, str], bool] = lambda stage, key: False) -> list[Work]:
    """Everything that is not ``done``, each artifact once; skipped cells cost nothing."""
    found: dict[tuple[str, str], Work] = {}
    for job in jobs:
        if job.skip or done("measured", job.key):
            continue
        for stage, count in _STAGES.items():
            key = job.keys.get(stage)
            if key is not None and (stage, key) not in found and not done(stage, key):
                found[stage, key] = Work(stage=stage, spec=job.model, **count(job))
    made = [work for work in found.values() if work.pairs or work.images or work.seen]
    return _summed(made)


def _summed(made: Iterable[Work]) -> list[Work]:
    sums: dict[tuple[str, str], Work] = {}
    for work in made:
        before = sums.get((work.stage, work.spec.name))
        if before is None:
            sums[work.stage, work.spec.name] = work
            continue
        counts = {name: getattr(before, name) + getattr(work, name) for name in ("pairs", "images", "seen", "texts")}
        sums[work.stage, work.spec.name] = Work(
            stage=work.stage, spec=work.spec, artifacts=before.artifacts + 1, **counts
        )
    return [sums[name] for stage in _STAGES for name in sums if name[0] == stage]


def _pretrained(job: Job) -> dict[str, int]:
    recipe, settings = job.model.pretrain, job.matrix.pretraining
    if recipe is None:
        return {}
    counts = [_pairs_of(job, name) * settings.repeats.get(name, 1) for name in settings.pairs]
    return {"pairs": recipe.epochs * sum(counts)}


def _pairs_of(job: Job, name: str) -> int:
    """Pairs of a data set for pretraining; 0 stands for all of them, which an embedded set tells."""
    sizes: dict[str, int] = getattr(job.pretraining[name], "default_counts", {})
    return job.matrix.pretraining.pairs[name] or sizes.get("train", 0)


def _tuned(job: Job) -> dict[str, int]:
    """Fine-tuning of a clean model; on a ladder, as if every rung were needed."""
    if job.cell.victim == "clean" or job.imported is not None:
        return {}
    rungs = max(1, len(job.matrix.protocol.ladder)) if job.cell.victim == "poisoned" else 1
    return _trained(job, rungs * job.recipe.epochs * job.matrix.sizes.victim_pairs) | (
        {"seen": rungs * 2 * job.matrix.sizes.validation} if job.matrix.protocol.ladder else {}
    )


def _sibling(job: Job) -> dict[str, int]:
    return _trained(job, job.recipe.epochs * job.matrix.sizes.victim_pairs)


def _trained(job: Job, count: int) -> dict[str, int]:
    return {"images" if job.matrix.protocol.kind == "classification" else "pairs": count}


def _inversion(job: Job) -> dict[str, int]:
    inverter: Any = job.inverter
    images = min(getattr(inverter, "shadow", job.matrix.sizes.clean_pairs), job.matrix.sizes.clean_pairs)
    return {"images": images * getattr(inverter, "epochs", 0)}


def _defended(job: Job) -> dict[str, int]:
    """Every epoch passes once over what the defense needs; one without epochs looks at it once."""
    needs, sizes = frozenset[str](job.defense.needs), job.matrix.sizes
    clean = sizes.clean_pairs if needs & {"clean_pairs", "clean_images"} else 0
    count = clean + (sizes.triggered_pairs if "triggered_pairs" in needs else 0)
    epochs = getattr(job.defense, "epochs", None)
    return {"seen": count} if epochs is None else _trained(job, epochs * count)


def points_of(defense: object) -> int:
    """How many points a defense yields, as far as its parameters tell."""
    counts = [getattr(defense, name) for name in POINTS if isinstance(getattr(defense, name, None), int)]
    return counts[0] if counts else 1


def _measured(job: Job) -> dict[str, int]:
    """Every point meets all evaluation images, clean and once per trigger, and names all classes anew."""
    sizes, points = job.matrix.sizes, points_of(job.defense)
    images = (sizes.validation + (sizes.test or 0)) * (1 + len(routes_of(job.attack)))
    images += len(job.general) * (sizes.general or 0) + len(job.retrieval) * (sizes.retrieval or 0)
    texts = len(known_classes(job.dataset)) * len(job.dataset.templates) + len(job.retrieval) * (sizes.retrieval or 0)
    return {"seen": points * images, "texts": points * texts}


_STAGES: dict[str, Callable[[Job], dict[str, int]]] = {
    "pretrained": _pretrained,
    "victim": _tuned,
    "sibling": _sibling,
    "inversion": _inversion,
    "defended": _defended,
    "measured": _measured,
}
