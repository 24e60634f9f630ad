"""The rules of a data set: named classes, and four disjoint splits that are the same for everyone."""

from __future__ import annotations

from typing import get_args

import torch

from benchmark.contract.checks import Check, PluginChecks, blaming, called, checks_of, governed, require
from benchmark.contract.state import changes, generators_seeded, generators_state, pairs_state
from benchmark.data.base import Dataset, Split
from benchmark.errors import UserError
from benchmark.pixels import all_images
from benchmark.types import Pairs

SPLITS: tuple[Split, ...] = get_args(Split)
COUNT = 24
SIZE = 32


class NameChecks:
    """What a data set is called, and its templates."""

    def __init__(self, who: str, dataset: Dataset) -> None:
        self.who, self.dataset = who, dataset

    def name_is_text(self) -> None:
        name = self.dataset.name
        require(isinstance(name, str) and bool(name), f"{self.who}: name is {name!r}; give it one")

    def templates_hold_one_place(self) -> None:
        templates = self.dataset.templates
        fits = isinstance(templates, tuple) and bool(templates) and all(text.count("{}") == 1 for text in templates)
        require(fits, f"{self.who}: templates is {templates!r}; make it a tuple of texts with one {{}} each")


class SplitChecks:
    """The classes and what the splits hold; needs the data."""

    def __init__(self, who: str, dataset: Dataset) -> None:
        self.who, self.dataset = who, dataset

    def _load(self, split: Split, count: int | None = COUNT) -> Pairs:
        with blaming(self.who, f"load('{split}', {count}, {SIZE})"):
            return self.dataset.load(split, count, SIZE)

    def class_names_are_distinct(self) -> None:
        with blaming(self.who, "class_names"):
            names = self.dataset.class_names
        fits = isinstance(names, tuple) and len(names) > 1 and len(set(names)) == len(names)
        require(fits, f"{self.who}: class_names is {names!r}; make it a tuple of two or more different names")

    def splits_hold_what_was_asked_for(self) -> None:
        for split in SPLITS:
            pairs = self._load(split)
            where = f"{self.who}, split '{split}'"
            images = all_images(pairs.images)
            expected = f"({COUNT}, 3, {SIZE}, {SIZE}) torch.uint8"
            found = f"{tuple(images.shape)} {images.dtype}"
            require(found == expected, f"{where} holds images {found}; return {expected}")
            sizes = {len(pairs.images), len(pairs.captions), len(pairs.ids)}
            require(sizes == {COUNT}, f"{where} has parts of {sorted(sizes)} entries; return {COUNT} of each")
            require(pairs.split == split, f"{where} calls itself '{pairs.split}'; pass the name on")
            require(pairs.class_names == self.dataset.class_names, f"{where} names other classes than the data set")
            require(all(pairs.captions), f"{where} has an empty caption; describe every image")

    def labels_are_classes(self) -> None:
        for split in SPLITS:
            labels = self._load(split).labels
            where = f"{self.who}, split '{split}'"
            require(labels is not None, f"{where} has no labels; add them")
            assert labels is not None
            fits = labels.shape == (COUNT,) and labels.dtype == torch.int64
            require(fits, f"{where} has labels {tuple(labels.shape)} {labels.dtype}; return int64, one per image")
            known = bool(((labels >= 0) & (labels < len(self.dataset.class_names))).all())
            require(known, f"{where} has labels outside its classes; count classes from 0")

    def splits_are_disjoint(self) -> None:
        parts = [self._load(split, COUNT) for split in SPLITS]
        ids = torch.cat([part.ids for part in parts])
        distinct = len(set(ids.tolist())) == len(ids)
        require(distinct, f"{self.who}: splits share ids; derive them from (name, split, index)")
        digests = {image.numpy().tobytes() for part in parts for image in all_images(part.images)}
        require(len(digests) == len(ids), f"{self.who}: splits share images; keep all four disjoint")

    def loading_is_deterministic(self) -> None:
        for split in SPLITS:
            found = []
            for seed in (0, 1):
                with generators_seeded(seed):
                    found.append(pairs_state(self._load(split)))
            differing = changes(*found)
            require(not differing, f"{self.who}, split '{split}': {differing} differ from load to load; fix the seed")

    def loading_leaves_global_generators(self) -> None:
        before = generators_state()
        self._load("test")
        moved = changes(before, generators_state())
        require(not moved, f"{self.who}: load() moved {moved}; use a generator of its own")

    def fewer_are_the_first_of_more(self) -> None:
        for split in SPLITS:
            few, more = self._load(split, COUNT // 2), self._load(split, COUNT)
            differing = changes(pairs_state(few), pairs_state(more.take(torch.arange(COUNT // 2))))
            require(not differing, f"{self.who}, split '{split}': {differing} of the first pairs depend on the count")

    def refuses_a_count_of_zero(self) -> None:
        try:
            self.dataset.load("test", 0, SIZE)
        except UserError as error:
            named = self.dataset.name in str(error)
            require(named, f"{self.who}: the refusal '{error}' does not name the data set; name it")
        else:
            require(False, f"{self.who}: load('test', 0, {SIZE}) returned; raise UserError with a sentence")


def dataset_checks(dataset: Dataset) -> list[Check]:
    """Every rule that the data set must keep, on the first images of every split.

    One that says that its data is not ``at_hand`` is not asked for its classes and splits, so that nothing is fetched.
    """
    who = called("dataset", dataset)
    suites = [PluginChecks(who, dataset), NameChecks(who, dataset)]
    data = checks_of(SplitChecks(who, dataset))
    found = governed(who, dataset, [check for suite in suites for check in checks_of(suite)] + data)
    return found if getattr(dataset, "at_hand", True) else [check for check in found if check not in data]
