"""Webdataset shards: tar files in which the files of one sample share the part of their name before the first dot."""

from __future__ import annotations

import tarfile
from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmark.data.records import Record, Rows
from benchmark.errors import UserError
from benchmark.files import malformed

_PICTURES = frozenset({"jpg", "jpeg", "png", "webp"})
_FIELDS = 4


class Shards:
    """Samples of ``.jpg`` (or ``.png``, ``.webp``) and ``.txt`` in plain tar files, in the order of the files.

    Only the tar headers are read at first; a sample is then read from its place. A sample without a picture or without
    a text stays in the count, as one that cannot be read.

    Raises:
        UserError: a shard is missing, damaged, or no plain tar file.
    """

    class_names: tuple[str, ...] = ()
    declared = True

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        tables = [_places(file) for file in files]
        self._shard = np.repeat(np.arange(len(files)), [len(table) for table in tables])
        self._places = np.concatenate(tables)

    def __len__(self) -> int:
        return len(self._places)

    def records(self, rows: Rows) -> Iterator[Record]:
        edges = [0, *(np.flatnonzero(np.diff(self._shard[rows])) + 1).tolist(), len(rows)]
        for start, end in pairwise(edges):
            if start < end:
                yield from self._of_shard(self._files[self._shard[rows[start]]], rows[start:end])

    def _of_shard(self, file: Path, rows: Rows) -> Iterator[Record]:
        try:
            with file.open("rb") as handle:

                def read(place: int, length: int) -> bytes:
                    handle.seek(place)
                    return handle.read(length)

                for row in rows.tolist():
                    picture, picture_length, text, text_length = self._places[row].tolist()
                    caption = read(text, text_length).decode("utf-8", errors="replace")
                    image = read(picture, picture_length) if picture_length and text_length else None
                    yield Record(row, image, None, " ".join(caption.split()))
        except OSError as error:
            raise UserError(f"'{file}' cannot be read: {(error.strerror or str(error)).lower()}") from error


def _places(file: Path) -> Rows:
    """Where the samples of a shard lie: (N, 4), the place and length in bytes of picture and text; length 0 is none."""
    found: dict[str, int] = {}
    places = array("q")
    try:
        with tarfile.open(file, "r:") as opened:
            for member in opened:
                folder, _, base = member.name.rpartition("/")
                key, _, kind = base.partition(".")
                part = 0 if kind.lower() in _PICTURES else 2 if kind.lower() == "txt" else None
                if part is None or not member.isfile():
                    continue
                sample = found.setdefault(f"{folder}/{key}", len(found))
                if sample * _FIELDS == len(places):
                    places.extend([0] * _FIELDS)
                places[sample * _FIELDS + part : sample * _FIELDS + part + 2] = array(
                    "q", [member.offset_data, member.size]
                )
    except (OSError, tarfile.TarError) as error:
        wrong = malformed(file) or "is no whole plain tar file; unpack or fetch it again"
        raise UserError(f"'{file}' {wrong}") from error
    return np.array(places, dtype=np.int64).reshape(-1, _FIELDS)
