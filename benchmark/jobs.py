"""A job: a cell with everything that computing it takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.architectures import ModelSpec, Recipe
from benchmark.data.base import Dataset
from benchmark.matrix import Matrix
from benchmark.registry import resolved
from benchmark.results import CellId
from benchmark.runs import PlannedCell
from benchmark.sections import Expected
from benchmark.seeds import derive
from benchmark.types import Attack, Defense, Inverter, Need

TRIGGER_NEEDS = frozenset({"trigger", "triggered_pairs", "target"})
PRETRAINING_SEED = 0


def given(needs: Iterable[Need], matrix: Matrix) -> frozenset[str]:
    """What a plugin with these needs is given: under the classification protocol clean pairs are labelled images."""
    found = frozenset[str](needs)
    labelled = matrix.protocol.kind == "classification" and "clean_pairs" in found
    return found | {"labels"} if labelled else found


@dataclass(frozen=True, kw_only=True)
class ImportedVictim:
    """A victim from a file.

    Attributes:
        sha256: of the file.
        expected: where it must lie on validation data.
    """

    path: Path
    sha256: str
    expected: Expected

    def resolved(self) -> dict[str, Any]:
        return {"file": self.path.name, "sha256": self.sha256, "expected": self.expected.model_dump()}


@dataclass(frozen=True, kw_only=True)
class Job:
    """A cell with everything that computing it takes.

    Attributes:
        captions: what victims and defenders train on where that is not ``dataset``.
        retrieval: captioned data sets for retrieval, by label.
        recipe: how the victim is trained.
        imported: the file that the victim comes from instead, or None.
        keys: identity of every stage; ``keys["measured"]`` names the result.
        seeds: per stage, each a hash of the dimensions that the stage may depend on.
        plugins: identity of the code of each plugin.
        needs: what the defender knows; with an inverter, what the inverter needs instead of the trigger.
        skip: why the cell is not computed, or empty.
    """

    cell: CellId
    matrix: Matrix
    model: ModelSpec
    dataset: Dataset
    general: Mapping[str, Dataset]
    pretraining: Mapping[str, Dataset]
    attack: Attack
    defense: Defense
    inverter: Inverter | None
    poisons: int
    recipe: Recipe
    seeds: dict[str, int]
    needs: frozenset[str]
    captions: Dataset | None = None
    retrieval: Mapping[str, Dataset] = dataclasses.field(default_factory=dict)
    imported: ImportedVictim | None = None
    skip: str = ""
    keys: dict[str, str] = dataclasses.field(default_factory=dict)
    plugins: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def training(self) -> Dataset:
        """The data set whose training pairs poison the victim and whose defender pairs clean it."""
        return self.dataset if self.captions is None else self.captions

    @property
    def planned(self) -> PlannedCell:
        return PlannedCell(cell=self.cell, keys=self.keys, knowledge=tuple(sorted(self.needs)))

    @property
    def key(self) -> str:
        return self.keys["measured"]

    def resolved(self) -> dict[str, Any]:
        """Every hyperparameter as it is used, for the result's record."""
        found = {
            "model": dataclasses.asdict(self.model),
            "dataset": resolved(self.dataset),
            "attack": resolved(self.attack),
            "defense": resolved(self.defense),
            "protocol": {
                **dataclasses.asdict(self.recipe),
                **self.matrix.protocol.model_dump(include={"kind", "ladder"}),
            },
            "poisons": self.poisons,
            "sizes": self.matrix.sizes.model_dump(),
            "grants": list(self.matrix.grants),
            "precision": self.matrix.precision,
        }
        if self.matrix.rebound:
            found["rebound"] = self.matrix.rebound
        if self.captions is not None:
            found["captions"] = resolved(self.captions)
        if self.retrieval:
            found["retrieval"] = {name: resolved(other) for name, other in self.retrieval.items()}
        if self.imported is not None:
            del found["protocol"], found["poisons"]
            found["imported"] = self.imported.resolved()
        return found if self.inverter is None else {**found, "inverter": resolved(self.inverter)}


def seeds_of(cell: CellId) -> dict[str, int]:
    """The seed of every stage of a cell. The clean model has one seed, so that all victims share it."""
    place = (cell.model, cell.dataset)
    poisoner = cell.attack if cell.victim == "poisoned" else ""
    return {
        "pretrained": derive(PRETRAINING_SEED, "pretrained", cell.model),
        "fitted": derive(cell.seed, "fitted", *place, cell.attack),
        "victim": derive(cell.seed, "victim", *place, poisoner),
        "sibling": derive(cell.seed, "sibling", *place),
        "inversion": derive(cell.seed, "inversion", *place, cell.attack, cell.source),
        "defense": derive(cell.seed, "defense", *place, cell.attack, cell.source, cell.defense),
    }
