"""Any labelled image set in files: parquet, pictures in class folders, ``datasets`` folders, or a set on the hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from benchmark.data.base import GENERIC_TEMPLATES, Split
from benchmark.data.cache import Entry
from benchmark.data.records import Source
from benchmark.data.stored import Stored
from benchmark.errors import UserError
from benchmark.files import malformed
from benchmark.progress import Progress
from benchmark.seeds import derive, image_ids, uniforms
from benchmark.store import default_store
from benchmark.types import Pairs


@dataclass(frozen=True, kw_only=True)
class Labelled(Stored):
    """Images with classes. A caption is the source's own, or else a template of the class, drawn by the image's id.

    Args:
        class_file: a text file with one class name per line, in the order of the source's numbers; empty for the
            source's own names, in which underscores and hyphens become spaces.
        template: zero-shot templates with one ``{}`` each, separated by ``|``; empty for three generic ones.
    """

    label_column: str = "label"
    class_file: str = ""
    template: str = ""

    @property
    def templates(self) -> tuple[str, ...]:
        return tuple(part.strip() for part in self.template.split("|")) if self.template else self._templates()

    def _templates(self) -> tuple[str, ...]:
        return GENERIC_TEMPLATES

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """As a template speaks of them. Reads the head of a file of the training split.

        Raises:
            UserError: the data cannot be found or read, or nothing names the classes.
        """
        collection = self._collection(default_store() / "data")
        training, _ = collection.splits(self.train_split, self.test_split)
        return self._readable(self._class_source(collection, training).class_names)

    @property
    def known_classes(self) -> tuple[str, ...]:
        """The class names where no network is needed to read them, otherwise nothing."""
        return self.class_names if self.at_hand else ()

    def _accept(self, source: Source) -> None:
        self._readable(source.class_names)

    def _readable(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The source's names for people and text towers."""
        if self.class_file:
            return _lines(Path(self.class_file).expanduser())
        if not names:
            raise UserError(
                f"dataset '{self.name}' does not name its classes in column '{self.label_column}'; set class_file to "
                "a text file with one name per line"
            )
        plain = [" ".join(name.replace("_", " ").replace("-", " ").split()) for name in names]
        return tuple(self._renamed().get(name.lower(), name) for name in plain)

    def _renamed(self) -> Mapping[str, str]:
        """Better names for classes whose own one misleads a text tower; the keys are lower case."""
        return {}

    def load(
        self,
        split: Split,
        count: int | None,
        image_size: int,
        *,
        cache: Path | None = None,
        progress: Progress | None = None,
    ) -> Pairs:
        """The first ``count`` pairs of a split (all of them with None) at ``image_size`` pixels, mapped from disk.

        Args:
            split: one of the benchmark's four.
            count: how many pairs.
            image_size: side of the images in pixels.
            cache: where decoded images are kept; None for the folder ``data`` of the default store.
            progress: who shows downloads and decoding.

        Raises:
            UserError: the split holds fewer pairs, or a file is missing or unreadable.
            StorageError: the disk is full.
        """
        entry = self._entry(split, count, image_size, cache, progress)
        names = self._readable(entry.class_names)
        wrong = np.flatnonzero((entry.labels < 0) | (entry.labels >= len(names)))
        if len(wrong):
            row, label = entry.rows[wrong[0]], entry.labels[wrong[0]]
            said = "no class" if label < 0 else f"class {label}, of {len(names)} named ones"
            raise UserError(f"{self._called(split)}: row {row} has {said}; choose another split, column or class_file")
        ids = image_ids(self.name, split, entry.rows)
        return Pairs(
            images=entry.images,
            captions=self._captions(entry, names, ids),
            labels=torch.from_numpy(entry.labels),
            class_names=names,
            ids=torch.from_numpy(ids),
            dataset=self.name,
            split=split,
        )

    def _captions(self, entry: Entry, names: tuple[str, ...], ids: np.typing.NDArray[np.int64]) -> tuple[str, ...]:
        templates = self.templates
        drawn = (uniforms(derive("caption template"), ids, 1)[:, 0] * len(templates)).astype(np.int64)
        told = zip(entry.captions, entry.labels.tolist(), drawn.tolist(), strict=True)
        return tuple(text or templates[template].format(names[label]) for text, label, template in told)


def _lines(path: Path) -> tuple[str, ...]:
    if wrong := malformed(path):
        raise UserError(f"class_file '{path}' {wrong}")
    return tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
