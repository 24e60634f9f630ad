"""From a matrix to jobs: every plugin built, every cell with its seeds and keys, in the order of computing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark import analysing, detecting
from benchmark.architectures import ModelSpec, model_spec
from benchmark.checkpoints import known_spec
from benchmark.data.asking import known_classes
from benchmark.data.base import Dataset
from benchmark.data.checked import check_templates
from benchmark.errors import UserError, blaming, did_you_mean
from benchmark.fingerprint import file_digest
from benchmark.grants import checked_needs, reason_to_skip
from benchmark.jobs import TRIGGER_NEEDS, ImportedVictim, Job, given, seeds_of
from benchmark.keys import with_keys
from benchmark.matrix import Matrix
from benchmark.registry import Registry, parameter_types
from benchmark.results import CellId, VictimKind
from benchmark.runs import Plan
from benchmark.sections import Imported, Use
from benchmark.studies import Study
from benchmark.training import overridden
from benchmark.types import Attack, Defense, Inverter, Objective


def make_jobs(
    matrix: Matrix, registry: Registry, data_options: Mapping[str, Mapping[str, Any]] | None = None
) -> list[Job]:
    """All cells of a matrix in the order in which they are computed: one victim after the other.

    Args:
        matrix: what to run.
        registry: where plugins come from.
        data_options: parameters per data set label that override the matrix's.

    Raises:
        UserError: a plugin or parameter does not exist, or does not fit.
    """
    _check_labels(matrix, registry)
    named = matrix.all_datasets.keys() | matrix.pretraining.pairs.keys()
    for label in data_options or {}:
        if label not in named:
            raise UserError(f"matrix '{matrix.name}' has no dataset '{label}'; {did_you_mean(label, named)}")
    return list(_Planner(matrix, registry, data_options or {}).jobs())


def _check_labels(matrix: Matrix, registry: Registry) -> None:
    """A key of a table must be a label of the matrix, or a plugin's name, which may come from a matrix it extends."""
    data = set(matrix.all_datasets) | set(matrix.pretraining.pairs)
    known = {
        "poisons": {"default", *(use.name for use in matrix.attacks), *registry.entries("attack")},
        "targets": data | set(registry.entries("dataset")),
        "pretraining.repeats": data | set(registry.entries("dataset")),
    }
    tables: dict[str, Mapping[str, object]] = {
        "poisons": matrix.poisons,
        "targets": matrix.targets,
        "pretraining.repeats": matrix.pretraining.repeats,
    }
    for table, names in known.items():
        for label in tables[table]:
            if label not in names:
                raise UserError(
                    f"matrix '{matrix.name}': {table}.{label} names nothing here; {did_you_mean(label, names)}"
                )


def built_defense(registry: Registry, use: Use) -> Defense:
    """A defense with its parameters.

    Raises:
        UserError: there is no such defense, or a parameter or a need of it is wrong.
    """
    built: Defense = registry.build("defense", use.plugin, use.parameters)
    checked_needs(f"defense '{use.name}'", built)
    return built


class _Planner:
    """Builds every plugin of a matrix once and walks through its product."""

    def __init__(self, matrix: Matrix, registry: Registry, data_options: Mapping[str, Mapping[str, Any]]) -> None:
        self.matrix, self.registry, self.data_options = matrix, registry, data_options
        self.defenses = {use.name: built_defense(registry, use) for use in matrix.all_defenses}
        self.untouched = {use.name: self.defenses[use.name] for use in matrix.all_defenses if use.plugin == "none"}
        self.general = {use.name: self._dataset(use) for use in matrix.general}
        self.datasets = {use.name: self._dataset(use) for use in matrix.datasets}
        self.retrieval = {use.name: self._captioned(use) for use in matrix.retrieval}
        self.captions = None if matrix.captions is None else self._captioned(matrix.captions)
        self.pretraining = {name: self._pretraining(name) for name in matrix.pretraining.pairs}
        inverters = [source for source in matrix.sources if source != "given"]
        self.imported = {matrix.place_of(victim): self._imported(victim) for victim in matrix.imported}
        self.inverters: dict[str, Inverter] = {name: registry.build("inverter", name) for name in inverters}

    def _spec(self, model: str) -> ModelSpec:
        spec = known_spec(model_spec(model))
        changes = self.matrix.pretraining.model_dump(include={"epochs", "shift", "flip"})
        return spec if spec.pretrain is None else replace(spec, pretrain=overridden(spec.pretrain, **changes))

    def _dataset(self, use: Use) -> Dataset:
        options = {**use.parameters, **self.data_options.get(use.name, {})}
        built: Dataset = self.registry.build("dataset", use.plugin, options)
        with blaming(f"dataset '{use.name}'"):
            check_templates(use.name, built.templates)
        return built

    def _captioned(self, use: Use) -> Dataset:
        """A set of captioned pairs. Where it is given a path, its pairs are read from there, whatever its kind was."""
        moved = "path" in self.data_options.get(use.name, {})
        if moved and "path" not in parameter_types(self.registry.load("dataset", use.plugin)):
            use = Use(plugin="captioned", label=use.name)
        return self._dataset(use)

    def _pretraining(self, name: str) -> Dataset:
        if self.matrix.captions is not None and name == self.matrix.captions.name:
            return self._captioned(self.matrix.captions)
        return self._dataset(self.matrix.all_datasets.get(name, Use(plugin=name)))

    def _imported(self, victim: Imported) -> ImportedVictim:
        path = Path(victim.checkpoint)
        if not path.is_file():
            raise UserError(f"matrix '{self.matrix.name}': there is no checkpoint file '{path}' to import")
        return ImportedVictim(path=path, sha256=file_digest(path), expected=victim.expected)

    def _attack(self, use: Use, dataset: str) -> Attack:
        parameters = dict(use.parameters)
        if dataset in self.matrix.targets and "target" in parameter_types(self.registry.load("attack", use.plugin)):
            parameters.setdefault("target", self.matrix.targets[dataset])
        built: Attack = self.registry.build("attack", use.plugin, parameters)
        with blaming(f"attack '{use.name}'"):
            known, target = isinstance(built, Attack), getattr(built, "target", None)
        if not known:
            raise UserError(f"attack '{use.name}' has no 'target'; give it the class that its trigger must elicit")
        if self.matrix.protocol.kind == "classification" and isinstance(built, Objective):
            raise UserError(
                f"attack '{use.name}' trains its victim with a loss of its own on both towers, which is not the "
                "classification protocol; leave it out, or set protocol.kind = 'contrastive'"
            )
        classes = known_classes(self.datasets[dataset])
        if classes and target not in classes:
            raise UserError(
                f"dataset '{dataset}' has no class '{target}', the target of attack '{use.name}'; set "
                f"targets.{dataset} to one of: {', '.join(classes[:12])}"
            )
        return built

    def jobs(self) -> Iterator[Job]:
        for model in self.matrix.models:
            spec = self._spec(model)
            for dataset in self.datasets:
                for seed in self.matrix.seeds:
                    for use in self.matrix.attacks:
                        yield from self._of_attack(spec, dataset, use, seed)

    def _of_attack(self, spec: ModelSpec, dataset: str, use: Use, seed: int) -> Iterator[Job]:
        attack = self._attack(use, dataset)
        kinds: list[VictimKind] = ["clean"] if seed == self.matrix.seeds[0] else []
        kinds += ["poisoned", "benign"] if use.name == self.matrix.benign else ["poisoned"]
        for kind in kinds:
            met = self.untouched if kind == "clean" else self.defenses
            for name, defense in met.items():
                for source in self._sources(defense):
                    cell = CellId(
                        model=spec.name,
                        dataset=dataset,
                        attack=use.name,
                        source=source,
                        defense=name,
                        seed=seed,
                        victim=kind,
                    )
                    if self.matrix.admits(cell.model_dump()):
                        yield self._job(cell, spec, attack, defense)

    def _sources(self, defense: Defense) -> tuple[str, ...]:
        return self.matrix.sources if frozenset[str](defense.needs) & TRIGGER_NEEDS else ("none",)

    def _job(self, cell: CellId, spec: ModelSpec, attack: Attack, defense: Defense) -> Job:
        inverter = self.inverters.get(cell.source)
        needs = given(defense.needs, self.matrix)
        if inverter is not None:
            needs = (needs - TRIGGER_NEEDS) | given(inverter.needs, self.matrix)
        place = (cell.model, cell.dataset, cell.attack, cell.seed)
        imported = self.imported.get(place) if cell.victim == "poisoned" else None
        job = Job(
            cell=cell,
            matrix=self.matrix,
            model=spec,
            dataset=self.datasets[cell.dataset],
            general=self.general,
            captions=self.captions,
            retrieval=self.retrieval,
            pretraining=self.pretraining if spec.pretrain is not None else {},
            attack=attack,
            defense=defense,
            inverter=inverter,
            poisons=self._poisons(cell),
            recipe=overridden(spec.finetune, **self.matrix.protocol.changes),
            seeds=seeds_of(cell),
            needs=needs,
            imported=imported,
            skip=reason_to_skip(self.matrix, spec, defense, needs, imported=imported is not None),
        )
        return with_keys(job)

    def _poisons(self, cell: CellId) -> int:
        count, pairs = self.matrix.poison_count(cell.attack), self.matrix.sizes.victim_pairs
        if count > pairs:
            raise UserError(f"attack '{cell.attack}': {count} poisons do not fit into {pairs} training pairs")
        return count if cell.victim == "poisoned" else 0


def make_studies(matrix: Matrix, registry: Registry, jobs: Sequence[Job]) -> list[Study]:
    """All studies of a matrix, from its jobs."""
    return [*analysing.studies(matrix, jobs), *detecting.studies(matrix, registry, jobs)]


def plan_of(matrix: Matrix, jobs: Iterable[Job], studies: Iterable[Study] = ()) -> Plan:
    """The plan that status and report read."""
    return Plan(
        matrix=matrix.name,
        summary=matrix.summary,
        budget=matrix.budget,
        held_out=matrix.held_out,
        cells=tuple(job.planned for job in jobs),
        studies=tuple(study.planned for study in studies),
    )
