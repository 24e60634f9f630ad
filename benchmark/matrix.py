"""A matrix: which models, data sets, attacks and defenses meet, under which budgets and grants; read from TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from benchmark.errors import UserError, did_you_mean
from benchmark.registry import Registry
from benchmark.sections import Analysis, Expected, Imported, Limit, Pretraining, Protocol, Section, Sizes, Use
from benchmark.types import NEEDS

BUILT_IN = Path(__file__).parent / "matrices"
CONTROLS = ("none", "finetune")
"""Defenses in every matrix: nothing at all, and fine-tuning with the same data and steps."""


class Matrix(Section):
    """One matrix: the product of models, datasets, attacks, trigger sources, defenses and seeds, plus controls.

    Attributes:
        name: the file's stem.
        general: other data sets, for ``general_accuracy``.
        captions: a captioned data set that victims and defenders train on, instead of the data set they are tested on.
        retrieval: captioned data sets on whose test images retrieval is measured; it picks nothing.
        detectors: what scores the victims' training pairs, test images or the victims themselves; a board of its own.
        sources: "given", or names of inverters; only for defenses that need a trigger.
        benign: the attack whose trigger probes the benign victim; empty leaves the benign victim out.
        targets: target class per data set.
        poisons: poisoned pairs per attack label; "default" for the others.
        limits: cells that are left out of the product, such as a model that meets one attack alone.
        imported: victims that were trained elsewhere.
        grants: what a defense may be given; a need that is not granted makes its cells ``skipped``.
        budget: allowed loss in points of clean accuracy at the picked point.
        held_out: labels of the attacks that score alone; defenses are tuned on the others.
        rebound: epochs of clean fine-tuning after which the picked model is measured once more; 0 leaves it out.
    """

    _LABELLED: ClassVar[tuple[str, ...]] = ("datasets", "general", "retrieval", "attacks", "defenses", "detectors")

    name: str = ""
    summary: str = ""
    models: tuple[str, ...] = Field(min_length=1)
    datasets: tuple[Use, ...] = Field(min_length=1)
    general: tuple[Use, ...] = ()
    captions: Use | None = None
    retrieval: tuple[Use, ...] = ()
    attacks: tuple[Use, ...] = Field(min_length=1)
    defenses: tuple[Use, ...] = Field(min_length=1)
    detectors: tuple[Use, ...] = ()
    sources: tuple[str, ...] = Field(("given",), min_length=1)
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    benign: str = ""
    targets: dict[str, str] = Field(default_factory=dict)
    poisons: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=lambda: {"default": 800})
    limits: tuple[Limit, ...] = ()
    imported: tuple[Imported, ...] = ()
    grants: tuple[str, ...] = tuple(sorted(NEEDS - {"training_pairs", "sibling_models"}))
    budget: float = Field(2.0, gt=0, le=100)
    held_out: tuple[str, ...] = ()
    rebound: int = Field(0, ge=0)
    precision: Literal["float32", "bfloat16"] = "float32"
    sizes: Sizes = Sizes()
    protocol: Protocol = Protocol()
    pretraining: Pretraining = Pretraining()
    analysis: Analysis = Analysis()

    @field_validator("grants")
    @classmethod
    def _known_needs(cls, grants: tuple[str, ...]) -> tuple[str, ...]:
        for grant in grants:
            if grant not in NEEDS:
                raise ValueError(f"no resource named '{grant}'; {did_you_mean(grant, NEEDS)}")
        return grants

    @model_validator(mode="after")
    def _consistent(self) -> Matrix:
        for group in ("models", "sources", "seeds", *self._LABELLED):
            names = [getattr(item, "name", item) for item in getattr(self, group)]
            twice = [name for name in names if names.count(name) > 1]
            if twice:
                remedy = "give one of them a label" if group in self._LABELLED else "leave one out"
                raise ValueError(f"'{twice[0]}' stands twice in {group}; {remedy}")
        attacks = [use.name for use in self.attacks]
        if self.benign and self.benign not in attacks:
            raise ValueError(f"benign = '{self.benign}' is none of the attacks; {did_you_mean(self.benign, attacks)}")
        for name in self.held_out:
            if name not in attacks:
                raise ValueError(f"held_out names '{name}', none of the attacks; {did_you_mean(name, attacks)}")
        if set(attacks) <= set(self.held_out):
            raise ValueError("held_out names every attack; leave one to tune on")
        if self.captions is not None and self.protocol.kind == "classification":
            raise ValueError("protocol.kind = 'classification' trains on labels, which captions do not have; drop one")
        self._check_limits()
        if self.analysis.enabled and max(self.analysis.budgets, default=0) > self.sizes.clean_pairs:
            raise ValueError(f"analysis.budgets go beyond the defender's {self.sizes.clean_pairs} clean_pairs")
        return self

    def _check_limits(self) -> None:
        """Every value that a limit names must be in the matrix, so that a slip of the pen leaves nothing out."""
        known = {
            "model": set(self.models),
            "dataset": {use.name for use in self.datasets},
            "attack": {use.name for use in self.attacks},
            "source": {*self.sources, "none"},
            "defense": {use.name for use in self.all_defenses},
            "victim": {"clean", "poisoned", "benign"},
        }
        for limit in self.limits:
            for dimension, values in (*limit.when.items(), *limit.only.items()):
                for value in values:
                    if value not in known[dimension]:
                        hint = did_you_mean(value, known[dimension])
                        raise ValueError(f"limits: this matrix has no {dimension} '{value}'; {hint}")

    def admits(self, cell: Mapping[str, Any]) -> bool:
        """Whether a cell of the product, given by its dimensions, is in the matrix."""
        return all(limit.admits(cell) for limit in self.limits)

    @property
    def all_datasets(self) -> dict[str, Use]:
        """Every data set that the matrix names, by label."""
        captions = () if self.captions is None else (self.captions,)
        return {use.name: use for use in (*captions, *self.retrieval, *self.datasets, *self.general)}

    @model_validator(mode="after")
    def _imports_fit(self) -> Matrix:
        places = [self.place_of(victim) for victim in self.imported]
        known = (self.models, [use.name for use in self.datasets], [use.name for use in self.attacks], self.seeds)
        for place in places:
            for kind, name, names in zip(("model", "dataset", "attack", "seed"), place, known, strict=True):
                if name not in names:
                    hint = did_you_mean(str(name), [str(item) for item in names])
                    raise ValueError(f"imported: {kind} '{name}' is not in the matrix; {hint}")
            if places.count(place) > 1:
                raise ValueError(f"imported: two checkpoints stand for the same victim {place}; set seed or dataset")
        return self

    def place_of(self, victim: Imported) -> tuple[str, str, str, int]:
        """Model, data set, attack and seed of an imported victim; what it leaves open is the matrix's first."""
        return (
            victim.model or self.models[0],
            victim.dataset or self.datasets[0].name,
            victim.attack,
            self.seeds[0] if victim.seed is None else victim.seed,
        )

    @property
    def all_defenses(self) -> tuple[Use, ...]:
        """The defenses with the controls that every matrix has."""
        present = {use.plugin for use in self.defenses}
        return tuple(Use(plugin=name) for name in CONTROLS if name not in present) + self.defenses

    def poison_count(self, attack: str) -> int:
        """Poisoned pairs for an attack label.

        Raises:
            UserError: neither the label nor "default" is in ``poisons``.
        """
        count = self.poisons.get(attack, self.poisons.get("default"))
        if count is None:
            raise UserError(f"matrix '{self.name}': no poison count for attack '{attack}'; set poisons.{attack}")
        return count


def built_in_matrices() -> dict[str, Path]:
    """The matrices that come with the package, by name."""
    return {path.stem: path for path in sorted(BUILT_IN.glob("*.toml"))}


def _read(name: Any, parents: tuple[Path, ...] = ()) -> dict[str, Any]:
    if not isinstance(name, str):
        raise UserError(f"matrix '{parents[-1]}': extends must name one other matrix (got {name!r})")
    beside = parents[-1].parent / name if parents else Path(name)
    path = built_in_matrices().get(name, beside if beside.is_file() else Path(name))
    if path in parents:
        raise UserError(f"matrix '{path}' extends itself; let it extend another one")
    if not path.is_file():
        hint = did_you_mean(name, built_in_matrices())
        raise UserError(f"no matrix named '{name}' and no such file; {hint}")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"matrix '{path}' is not valid TOML: {error}") from error
    rows = table.get("imported")
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and isinstance(row.get("checkpoint"), str):
            row["checkpoint"] = str(path.parent / Path(row["checkpoint"]).expanduser())
    base = table.pop("extends", None)
    return _merged(_read(base, (*parents, path)) if base is not None else {}, table) | {"name": path.stem}


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The base with the changes on top; tables are merged key by key, plugins and everything else are replaced."""
    merged = dict(base)
    for key, value in changes.items():
        before = merged.get(key)
        tables = isinstance(before, dict) and isinstance(value, dict) and "plugin" not in value
        merged[key] = _merged(before, value) if before is not None and tables else value
    return merged


def load_matrix(name: str) -> Matrix:
    """A built-in matrix by name, or one from a TOML file by path.

    ``extends`` takes another as the base: a built-in one, or a file beside this one.

    Raises:
        UserError: there is no such matrix, or a key or value in it is wrong.
    """
    table = _read(name)
    try:
        return Matrix.model_validate(table)
    except ValidationError as error:
        raise UserError(f"matrix '{name}': {_sentence(error)}") from error


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown key '{place}'; {did_you_mean(str(first['loc'][-1]), _keys_at(first['loc'][:-1]))}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message} (got {first['input']!r})" if place else message


def _keys_at(place: tuple[int | str, ...]) -> list[str]:
    sections: dict[str, type[BaseModel]] = {
        "sizes": Sizes,
        "protocol": Protocol,
        "pretraining": Pretraining,
        "limits": Limit,
        "analysis": Analysis,
    }
    if not place:
        return list(Matrix.model_fields)
    if place[0] == "imported":
        return list((Expected if "expected" in place else Imported).model_fields)
    section = sections.get(str(place[0]), Use)
    return list(section.model_fields)


def with_loose(matrix: Matrix, registry: Registry) -> Matrix:
    """The matrix with those of the registry's plugins from loose files that it does not name added to it.

    A loose inverter is one more source of triggers.
    """

    def joined(uses: tuple[Use, ...], names: Iterable[str]) -> tuple[Use, ...]:
        present = {use.plugin for use in uses}
        return uses + tuple(Use(plugin=name) for name in names if name not in present)

    attacks = joined(matrix.attacks, registry.loose["attack"])
    defenses = joined(matrix.defenses, registry.loose["defense"])
    sources = matrix.sources + tuple(name for name in registry.loose["inverter"] if name not in matrix.sources)
    detectors = joined(matrix.detectors, registry.loose["detector"])
    update = {"attacks": attacks, "defenses": defenses, "sources": sources, "detectors": detectors}
    return matrix.model_copy(update=update)
