"""What stages are given: pairs of a split, probes under an attack, the measurements of a model; each made once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from benchmark.data.asking import with_every_caption
from benchmark.data.base import Dataset, Split
from benchmark.data.captioned import Captioned
from benchmark.data.checked import checked_pairs
from benchmark.data.labelled import Labelled
from benchmark.errors import blaming
from benchmark.evaluation import Probe
from benchmark.jobs import Job
from benchmark.pairs import concatenated
from benchmark.progress import Progress
from benchmark.retrieval import Gallery
from benchmark.stages.curve import Examination, Examined, General
from benchmark.types import Attack, Pairs

Made = TypeVar("Made")


class Recent:
    """Keeps the few things that were made last, by name."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.items: OrderedDict[Any, Any] = OrderedDict()

    def get(self, name: Any, make: Callable[[], Made]) -> Made:
        if name not in self.items:
            self.items[name] = make()
        self.items.move_to_end(name)
        while len(self.items) > self.size:
            self.items.popitem(last=False)
        found: Made = self.items[name]
        return found


class Materials:
    """Data as the jobs ask for it; what was loaded last stays in memory."""

    def __init__(self, progress: Progress | None = None) -> None:
        self._pairs, self._examinations, self._progress = Recent(12), Recent(4), progress

    def pairs(self, dataset: Dataset, split: Split, count: int | None, image_size: int) -> Pairs:
        """Labelled pairs of a split.

        Raises:
            UserError: the data set cannot give them.
        """
        name = (repr(dataset), type(dataset).__name__, split, count, image_size)
        return self._pairs.get(name, lambda: self._load(dataset, split, count, image_size))

    def _load(self, dataset: Dataset, split: Split, count: int | None, image_size: int) -> Pairs:
        with blaming(f"dataset '{dataset.name}': load()"):
            if isinstance(dataset, Labelled | Captioned):
                found = dataset.load(split, count, image_size, progress=self._progress)
            else:
                found = dataset.load(split, count, image_size)
        return checked_pairs(found, dataset.name, split, count, image_size)

    def pretraining(self, job: Job, image_size: int) -> Pairs:
        """Everything that an embedded model is trained on, captions only."""
        settings = job.matrix.pretraining
        parts = []
        for name, dataset in job.pretraining.items():
            pairs = self.pairs(dataset, "train", settings.pairs[name] or None, image_size).without_labels()
            parts += [pairs] * settings.repeats.get(name, 1)
        return concatenated(*parts)

    def victim_pairs(self, job: Job, image_size: int) -> Pairs:
        return self._trained_on(job, "train", job.matrix.sizes.victim_pairs, image_size)

    def defender_pairs(self, job: Job, image_size: int) -> Pairs:
        return self._trained_on(job, "defender", job.matrix.sizes.clean_pairs, image_size)

    def _trained_on(self, job: Job, split: Split, count: int, image_size: int) -> Pairs:
        """Pairs to train on. Captioned ones have no labels; the classes they speak of are those that are tested."""
        pairs = self.pairs(job.training, split, count, image_size)
        if job.captions is None:
            return pairs
        return replace(pairs, labels=None, class_names=tuple(job.dataset.class_names))

    def examination(self, job: Job, attack: Attack, image_size: int) -> Examination:
        """What every model of a cell is measured on, with the attack's trigger stamped once."""
        sizes = job.matrix.sizes
        measured = (sizes.validation, sizes.test, sizes.general, sizes.retrieval)
        named = tuple(job.general), tuple(job.retrieval)
        name = (repr(job.dataset), repr(attack), job.keys.get("fitted"), image_size, measured, named)

        def make() -> Examination:
            templates = tuple(job.dataset.templates)
            validation = self.pairs(job.dataset, "validation", sizes.validation, image_size)
            test = self.pairs(job.dataset, "test", sizes.test, image_size)
            general = tuple(
                General(
                    pairs=self.pairs(other, "test", sizes.general, image_size),
                    templates=tuple(other.templates),
                )
                for other in job.general.values()
            )
            retrieval = tuple(
                Gallery.of(self.pairs(with_every_caption(other), "test", sizes.retrieval, image_size))
                for other in job.retrieval.values()
            )
            return Examination(
                validation=Probe.of(attack, validation, templates, image_size),
                test=Probe.of(attack, test, templates, image_size),
                general=general,
                retrieval=retrieval,
                precision=job.matrix.precision,
            )

        return self._examinations.get(name, make)


class Measurements:
    """What was measured of clean models and victims, which many cells share."""

    def __init__(self) -> None:
        self._examined = Recent(6)

    def get(self, name: Any, make: Callable[[], Examined]) -> Examined:
        return self._examined.get(name, make)
