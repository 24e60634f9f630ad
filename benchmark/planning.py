"""From a matrix to jobs: every plugin built, every cell with its seeds and keys, in the order of computing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmark import analysing, detecting
from benchmark.architectures import ModelSpec
from benchmark.data.base import Dataset
from benchmark.errors import UserError, did_you_mean
from benchmark.jobs import TRIGGER_NEEDS, Job, seeds_of
from benchmark.keys import with_keys
from benchmark.matrix import Matrix
from benchmark.models import vision_kind
from benchmark.registry import Registry, parameter_types
from benchmark.results import CellId, VictimKind
from benchmark.runs import Plan
from benchmark.sections import Use
from benchmark.studies import Study
from benchmark.training import overridden
from benchmark.types import NEEDS, Attack, Defense, Inverter
from benchmark.widths import model_spec


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
    named = {use.name for use in (*matrix.datasets, *matrix.general)} | set(matrix.pretraining.pairs)
    for label in data_options or {}:
        if label not in named:
            raise UserError(f"matrix '{matrix.name}' has no dataset '{label}'; {did_you_mean(label, named)}")
    return list(_Planner(matrix, registry, data_options or {}).jobs())


class _Planner:
    """Builds every plugin of a matrix once and walks through its product."""

    def __init__(self, matrix: Matrix, registry: Registry, data_options: Mapping[str, Mapping[str, Any]]) -> None:
        self.matrix, self.registry, self.data_options = matrix, registry, data_options
        self.defenses = {use.name: self._defense(use) for use in matrix.all_defenses}
        self.untouched = {use.name: self.defenses[use.name] for use in matrix.all_defenses if use.plugin == "none"}
        self.general = {use.name: self._dataset(use) for use in matrix.general}
        self.datasets = {use.name: self._dataset(use) for use in matrix.datasets}
        uses = {use.name: use for use in (*matrix.datasets, *matrix.general)}
        self.pretraining = {name: self._dataset(uses.get(name, Use(plugin=name))) for name in matrix.pretraining.pairs}
        inverters = [source for source in matrix.sources if source != "given"]
        self.inverters: dict[str, Inverter] = {name: registry.build("inverter", name) for name in inverters}

    def _spec(self, model: str) -> ModelSpec:
        spec, changes = model_spec(model), self.matrix.pretraining.model_dump(include={"epochs", "shift", "flip"})
        return spec if spec.pretrain is None else replace(spec, pretrain=overridden(spec.pretrain, **changes))

    def _dataset(self, use: Use) -> Dataset:
        options = {**use.parameters, **self.data_options.get(use.name, {})}
        built: Dataset = self.registry.build("dataset", use.plugin, options)
        return built

    def _attack(self, use: Use, dataset: str) -> Attack:
        parameters = dict(use.parameters)
        if dataset in self.matrix.targets and "target" in parameter_types(self.registry.load("attack", use.plugin)):
            parameters.setdefault("target", self.matrix.targets[dataset])
        built: Attack = self.registry.build("attack", use.plugin, parameters)
        if not isinstance(built, Attack):
            raise UserError(f"attack '{use.name}' has no 'target'; give it the class that its trigger must elicit")
        classes = self.datasets[dataset].class_names
        if classes and built.target not in classes:
            raise UserError(
                f"dataset '{dataset}' has no class '{built.target}', the target of attack '{use.name}'; set "
                f"targets.{dataset} to one of: {', '.join(classes[:12])}"
            )
        return built

    def _defense(self, use: Use) -> Defense:
        built: Defense = self.registry.build("defense", use.plugin, use.parameters)
        if not isinstance(built.needs, frozenset | set):
            raise UserError(f"defense '{use.name}': needs is {built.needs!r}; make it a frozenset of resource names")
        unknown = sorted(frozenset[str](built.needs) - NEEDS)
        if unknown:
            raise UserError(f"defense '{use.name}' needs '{unknown[0]}'; {did_you_mean(unknown[0], NEEDS)}")
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
                    yield self._job(cell, spec, attack, defense)

    def _sources(self, defense: Defense) -> tuple[str, ...]:
        return self.matrix.sources if frozenset[str](defense.needs) & TRIGGER_NEEDS else ("none",)

    def _job(self, cell: CellId, spec: ModelSpec, attack: Attack, defense: Defense) -> Job:
        inverter = self.inverters.get(cell.source)
        needs = frozenset[str](defense.needs)
        if inverter is not None:
            needs = (needs - TRIGGER_NEEDS) | frozenset[str](inverter.needs)
        job = Job(
            cell=cell,
            matrix=self.matrix,
            model=spec,
            dataset=self.datasets[cell.dataset],
            general=self.general,
            pretraining=self.pretraining if spec.pretrain is not None else {},
            attack=attack,
            defense=defense,
            inverter=inverter,
            poisons=self._poisons(cell),
            recipe=overridden(spec.finetune, **self.matrix.protocol.model_dump()),
            seeds=seeds_of(cell),
            needs=needs,
            skip=self._skip(spec, defense, needs),
        )
        return with_keys(job)

    def _poisons(self, cell: CellId) -> int:
        count, pairs = self.matrix.poison_count(cell.attack), self.matrix.sizes.victim_pairs
        if count > pairs:
            raise UserError(f"attack '{cell.attack}': {count} poisons do not fit into {pairs} training pairs")
        return count if cell.victim == "poisoned" else 0

    def _skip(self, spec: ModelSpec, defense: Defense, needs: frozenset[str]) -> str:
        missing = sorted(needs - set(self.matrix.grants))
        if missing:
            return f"needs '{missing[0]}', which the matrix does not grant"
        kinds = getattr(defense, "architectures", None)
        if kinds is not None and vision_kind(spec) not in kinds:
            return f"works on {' and '.join(sorted(kinds))} models only, and {spec.name} is {vision_kind(spec)}"
        return ""


def make_studies(matrix: Matrix, registry: Registry, jobs: Sequence[Job]) -> list[Study]:
    """All studies of a matrix, from its jobs."""
    return [*analysing.studies(matrix, jobs), *detecting.studies(matrix, registry, jobs)]


def plan_of(matrix: Matrix, jobs: Iterable[Job], studies: Iterable[Study] = ()) -> Plan:
    """The plan that status and report read."""
    return Plan(
        matrix=matrix.name,
        summary=matrix.summary,
        budget=matrix.budget,
        cells=tuple(job.planned for job in jobs),
        studies=tuple(study.planned for study in studies),
    )
