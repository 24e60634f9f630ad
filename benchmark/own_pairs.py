"""A user's own pairs, cut into what a defense is given, what picks the point, and what is reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.data.base import Dataset, Split
from benchmark.data.collection import is_repository, locate
from benchmark.errors import UserError, did_you_mean
from benchmark.registry import Registry
from benchmark.stages.materials import Materials
from benchmark.store import default_store
from benchmark.types import Pairs

_CUT = {"validation_share": 0.2, "test_share": 0.2, "defender_share": 0.0}
"""How pairs at a path are cut: a fifth each is held out, and the rest, which counts as training pairs, is given."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How many pairs of each part; None takes all."""

    defense: int | None = None
    validation: int | None = None
    test: int | None = None


@dataclass(frozen=True, kw_only=True)
class OwnPairs:
    """Three disjoint parts of one data set. Without labels, ``class_names`` is empty."""

    dataset: Dataset
    defense: Pairs
    validation: Pairs
    test: Pairs

    @property
    def labelled(self) -> bool:
        return self.validation.labels is not None


def find(data: str, registry: Registry, options: Mapping[str, Mapping[str, Any]]) -> tuple[Dataset, Split]:
    """The data set that a user means, and which of its splits a defense is given.

    Args:
        data: the name of a data set, whose part for defenders is given; or a path (or ``owner/name`` on the hub):
            webdataset shards are pairs of images and captions, everything else has labels.
        registry: where data sets come from.
        options: parameters per data set; those for a path stand under "captioned" or "labelled".

    Raises:
        UserError: there is no such data set and no such path, or a parameter is wrong.
    """
    known = registry.entries("dataset")
    part: Split
    if data in known:
        plugin, part, given = data, "defender", dict(options.get(data, {}))
    elif Path(data).expanduser().exists() or is_repository(data):
        plugin, part = _kind_at(data, {**options.get("captioned", {}), **options.get("labelled", {})}), "train"
        given = {"path": data, **_CUT, **options.get(plugin, {})}
    else:
        raise UserError(f"--pairs {data}: there is no data set and no path of this name; {did_you_mean(data, known)}")
    if strays := sorted(set(options) - {plugin}):
        raise UserError(f"--data {strays[0]}: the pairs are those of '{plugin}'; write --data {plugin}.option=value")
    built: Dataset = registry.build("dataset", plugin, given)
    return built, part


def _kind_at(path: str, told: Mapping[str, Any]) -> str:
    config, revision = str(told.get("config", "")), str(told.get("revision", ""))
    found = locate(path, config=config, revision=revision, folder=default_store() / "data" / "hub")
    return "captioned" if found.format == "shards" else "labelled"


def cut(dataset: Dataset, part: Split, sizes: Sizes, image_size: int, materials: Materials) -> OwnPairs:
    """Loads the three parts.

    Raises:
        UserError: a part holds too few pairs, or a file is missing or unreadable.
    """
    return OwnPairs(
        dataset=dataset,
        defense=materials.pairs(dataset, part, sizes.defense, image_size),
        validation=materials.pairs(dataset, "validation", sizes.validation, image_size),
        test=materials.pairs(dataset, "test", sizes.test, image_size),
    )
