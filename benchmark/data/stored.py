"""What labelled and captioned data sets share: where they are read from, how they are split, and decoding once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.data.base import SPLITS, Split
from benchmark.data.cache import Entry, find
from benchmark.data.collection import Collection, is_repository, locate
from benchmark.data.decoding import Order, write_entry
from benchmark.data.images import Geometry
from benchmark.data.partition import Shares, rows_of, shuffled
from benchmark.data.records import Columns, Record, Rows, Source
from benchmark.errors import UserError, did_you_mean
from benchmark.fingerprint import digest
from benchmark.progress import Progress
from benchmark.ranges import CountOrZero, Seed, ShareBelowOne
from benchmark.store import default_store


class Download(NamedTuple):
    """What a set's files weigh on the hub, in bytes, about; ``files`` is the number of those for training."""

    training: float
    files: int
    test: float


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A data set in files, on the disk or on the Hugging Face hub.

    Four disjoint splits: ``test`` is the source's own test split, or a part of its training split where there is none;
    the shuffled training split is cut into validation, defender and train. Asking for fewer pairs gives a prefix.

    Args:
        path: a folder with parquet files, webdataset shards, pictures in class folders, or one that ``datasets`` saved;
            or ``owner/name`` of a dataset repository on the hub.
        config: name of a configuration, a folder inside; empty for the only one.
        revision: branch, tag or commit on the hub; empty for the main branch.
        image_column: column with the pictures; where there is none of this name, the only one of pictures.
        label_column: column with the classes; where there is none of this name, the only one of classes.
        caption_column: column with texts, or lists of texts, of which one is taken per row; empty for none.
        train_split: name of the source's split for training.
        test_split: name of its split for testing.
        test_share: share of the training rows held out for testing where there is no test split, in [0, 1).
        validation_share: share of the training rows for validation, in [0, 1).
        defender_share: share of the training rows for the defender, in [0, 1).
        geometry: "crop" keeps the aspect ratio and cuts out the centre, "squash" does not and cuts nothing.
        shards: how many of the training split's files to use, the first ones; 0 for all.
        seed: of the shuffle that comes before the cut.
    """

    path: str = ""
    config: str = ""
    revision: str = ""
    image_column: str = "image"
    label_column: str = ""
    caption_column: str = ""
    train_split: str = "train"
    test_split: str = "test"
    test_share: ShareBelowOne = 0.2
    validation_share: ShareBelowOne = 0.05
    defender_share: ShareBelowOne = 0.2
    geometry: Geometry = "crop"
    shards: CountOrZero = 0
    seed: Seed = 0

    download: ClassVar[Download | None] = None

    @property
    def name(self) -> str:
        return Path(self.path).name or type(self).__name__.lower()

    @property
    def at_hand(self) -> bool:
        """Whether ``path`` is on this machine, so that loading asks no network."""
        return bool(self.path) and Path(self.path).expanduser().exists()

    def fingerprint(self) -> str:
        """What is in the files, from their names and sizes; on the hub the repository and the revision asked for.

        Raises:
            UserError: there is nothing at ``path``.
        """
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        if self.at_hand or not is_repository(self.path):
            return self._collection(default_store() / "data").identity
        return digest(["hub", self.path, self.revision])

    def _collection(self, folder: Path) -> Collection:
        if not self.path:
            raise UserError(f"dataset '{self.name}' has no path; set it to a folder, or to OWNER/NAME on the hub")
        return locate(self.path, config=self.config, revision=self.revision, folder=folder / "hub")

    def _columns(self) -> Columns:
        return Columns(image=self.image_column, label=self.label_column, caption=self.caption_column)

    def _needs_caption(self) -> bool:
        return False

    def _accept(self, source: Source) -> None:
        """Refuses a source before anything is decoded."""

    def _entry(
        self, split: Split, count: int | None, image_size: int, cache: Path | None, progress: Progress | None
    ) -> Entry:
        """The first ``count`` images of a split, from the cache or decoded into it."""
        if split not in SPLITS:
            raise UserError(f"dataset '{self.name}' has no split '{split}'; {did_you_mean(split, SPLITS)}")
        folder = cache or default_store() / "data"
        collection = self._collection(folder)
        place = folder / self._key(collection, split, image_size)
        found = find(place, count)
        if found is None:
            source, rows = self._source(collection, split, progress)
            self._accept(source)
            if not 1 <= (len(rows) if count is None else count) <= len(rows):
                asked = "all" if count is None else count
                raise UserError(f"{self._called(split)} holds {len(rows)} images, asked for {asked}")
            order = Order(
                name=self._called(split),
                rows=rows,
                count=count if count != len(rows) else None,
                size=image_size,
                geometry=self.geometry,
                needs_caption=self._needs_caption(),
            )
            found = write_entry(place, order, source, progress)
        if count is not None and not 1 <= count <= len(found):
            raise UserError(f"{self._called(split)} holds {len(found)} images, asked for {count}")
        return found if count is None else found.first(count)

    def _called(self, split: str) -> str:
        return f"split '{split}' of dataset '{self.name}'"

    def _key(self, collection: Collection, split: Split, image_size: int) -> str:
        """Everything that decides which pixels and texts an entry holds."""
        fields: dict[str, Any] = {field.name: getattr(self, field.name) for field in dataclasses.fields(Stored)}
        del fields["path"], fields["revision"]
        return digest([fields, collection.identity, split, image_size])

    def _source(self, collection: Collection, split: Split, progress: Progress | None) -> tuple[Source, Rows]:
        training, testing = collection.splits(self.train_split, self.test_split)
        if self.shards < 0:
            raise UserError(f"dataset '{self.name}': {self.shards} shards cannot be used; give a number, or 0 for all")
        training = training[: self.shards or None]
        shares = Shares(
            test=0.0 if testing else self.test_share, validation=self.validation_share, defender=self.defender_share
        )
        shares.check(f"dataset '{self.name}'")
        if split == "test" and testing:
            source = collection.source(testing, self._columns(), progress)
            return self._aligned(source, collection, training), shuffled(len(source), self.seed, "test")
        source = collection.source(training, self._columns(), progress)
        return source, rows_of(split, len(source), shares, self.seed)

    def _class_source(self, collection: Collection, training: tuple[str, ...]) -> Source:
        """A source that knows all classes: the first file where they are declared in it, else the training split."""
        first = collection.source(training[:1], self._columns())
        return first if first.declared else collection.source(training, self._columns())

    def _aligned(self, testing: Source, collection: Collection, training: tuple[str, ...]) -> Source:
        """The test split with the training split's numbers for the classes, where the two count differently."""
        if not testing.class_names or (testing.declared and collection.remote):
            return testing
        names = self._class_source(collection, training).class_names
        return testing if names == testing.class_names else _Renumbered(testing, names, self.path)


class _Renumbered:
    """A source whose class numbers become those of another list of the same names."""

    def __init__(self, source: Source, class_names: tuple[str, ...], path: str) -> None:
        unknown = sorted(set(source.class_names) - set(class_names))
        if unknown:
            raise UserError(f"'{path}': class '{unknown[0]}' of the test split is none of the training split's")
        self._source, self.class_names = source, class_names
        self.declared = source.declared
        self._numbers: NDArray[np.int64] = np.array([class_names.index(name) for name in source.class_names])

    def __len__(self) -> int:
        return len(self._source)

    def records(self, rows: Rows) -> Iterator[Record]:
        for record in self._source.records(rows):
            number = None if record.label is None else int(self._numbers[record.label])
            yield record._replace(label=number)
