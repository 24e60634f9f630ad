"""Decodes a source once into an entry of the cache, a few images at a time."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
import warnings
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.data.cache import ALL, CHECKED, FORMAT, Entry, crc, images_per_block, open_entry
from benchmark.data.images import Geometry, decode
from benchmark.data.records import Record, Rows, Source
from benchmark.errors import ClipdefenseError, StorageError, UserError
from benchmark.files import cannot_write
from benchmark.progress import Advance, Progress, Silent

CHUNK_IMAGES = 256
CHUNK_BYTES = 1 << 25
"""A chunk ends at this many encoded bytes, so that large pictures do not fill the memory."""

_THREADS = min(8, os.cpu_count() or 1)
_TOLERATED = 0.01
_STALE_SECONDS = 24 * 3600
_REMEDY = "free space, or name another folder with CLIPDEFENSE_STORE"


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to decode: of which data set, at which size, and the rows of the split in their order.

    Attributes:
        name: how an error or a progress bar speaks of it.
        rows: all rows of the split; the first ``count`` readable ones are taken, all with None.
        needs_caption: whether a record without a text counts as unreadable.
    """

    name: str
    rows: Rows
    count: int | None
    size: int
    geometry: Geometry
    needs_caption: bool = False


def write_entry(folder: Path, order: Order, source: Source, progress: Progress | None = None) -> Entry:
    """Decodes ``order`` from ``source`` into a new entry below ``folder``, which appears whole or not at all.

    Raises:
        UserError: the split holds too few images, or more than one in a hundred cannot be read.
        StorageError: the disk is full.
    """
    wanted = len(order.rows) if order.count is None else order.count
    temporary = _temporary(folder, wanted * 3 * order.size**2)
    try:
        writer = _Writer(temporary, order, source)
        with writer, (progress or Silent()).task(f"decoding {order.name}", wanted) as advance:
            writer.decode(wanted, advance)
        writer.finish(source.class_names)
        target = folder / (ALL if order.count is None else str(order.count))
        try:
            temporary.rename(target)
        except OSError:
            if not target.is_dir():  # another process was first
                raise
        entry = open_entry(target)
    except OSError as error:
        raise cannot_write(folder, error, _REMEDY) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    if entry is None:
        raise ClipdefenseError(f"the decoded images in '{target}' were damaged while they were written; run again")
    return entry


def _temporary(folder: Path, needed: int) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(".writing-*"):
            newest = max((path.stat().st_mtime for path in [left, *left.iterdir()]), default=0.0)
            if time.time() - newest > _STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise StorageError(
                f"the decoded images need {needed / 1e9:.1f} GB in '{folder}', where {free / 1e9:.1f} GB are free; "
                + _REMEDY
            )
        temporary = folder / f".writing-{secrets.token_hex(8)}"
        temporary.mkdir()
        return temporary
    except OSError as error:
        raise cannot_write(folder, error, _REMEDY) from error


def _chunks(records: Iterable[Record]) -> Iterator[list[Record]]:
    chunk: list[Record] = []
    size = 0
    for record in records:
        chunk.append(record)
        size += len(record.image) if isinstance(record.image, bytes) else 0
        if len(chunk) == CHUNK_IMAGES or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


class _Writer:
    """Writes images into their slots of ``images.bin`` and collects what belongs to them."""

    def __init__(self, folder: Path, order: Order, source: Source) -> None:
        self._folder, self._order, self._source = folder, order, source
        self._bytes = 3 * order.size**2
        self._rows: Rows = np.empty(0, dtype=np.int64)
        self._labels: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._good: NDArray[np.bool_] = np.empty(0, dtype=np.bool_)
        self._captions: list[str] = []
        self._first_bad = ""

    def __enter__(self) -> _Writer:
        self._file = os.open(self._folder / "images.bin", os.O_RDWR | os.O_CREAT, 0o644)
        self._pool = ThreadPoolExecutor(_THREADS)
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        os.close(self._file)

    def decode(self, wanted: int, advance: Advance) -> None:
        """Fills slots until ``wanted`` images are good; those that cannot be read are replaced by the next rows."""
        missing = wanted
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL")
            while missing > 0 and len(self._rows) < len(self._order.rows):
                self._decode_next(missing, advance)
                missing = wanted - int(self._good.sum())
        if self._order.count is not None and missing > 0:
            raise UserError(f"{self._order.name} holds {wanted - missing} readable images, asked for {wanted}")
        os.ftruncate(self._file, len(self._rows) * self._bytes)

    def _decode_next(self, count: int, advance: Advance) -> None:
        first = len(self._rows)
        rows = self._order.rows[first : first + count]
        self._rows = np.concatenate([self._rows, rows])
        self._labels = np.concatenate([self._labels, np.full(len(rows), -1)])
        self._good = np.concatenate([self._good, np.zeros(len(rows), dtype=np.bool_)])
        self._captions += [""] * len(rows)
        sorting = np.argsort(rows)
        ascending = rows[sorting]
        attempted = first
        for chunk in _chunks(self._source.records(ascending)):
            places = sorting[np.searchsorted(ascending, [record.row for record in chunk])] + first
            advance(self._decode_chunk(chunk, places.tolist()))
            attempted += len(chunk)
            bad = attempted - int(self._good.sum())
            if bad > _TOLERATED * len(self._rows):
                raise UserError(
                    f"{self._order.name}: {bad} of {attempted} images cannot be read, more than one in a hundred "
                    f"(the first is {self._first_bad}); fetch the data again"
                )
            del chunk  # or it would stay in memory while the next one is gathered

    def _decode_chunk(self, chunk: Sequence[Record], slots: Sequence[int]) -> int:
        parts = [range(start, len(chunk), _THREADS) for start in range(_THREADS)]
        good = self._pool.map(lambda part: [slots[i] for i in part if self._decode_one(chunk[i], slots[i])], parts)
        done = [slot for part in good for slot in part]
        self._good[done] = True
        for record, slot in zip(chunk, slots, strict=True):
            self._labels[slot] = -1 if record.label is None else record.label
            self._captions[slot] = record.caption
            if not self._first_bad and not self._good[slot]:
                self._first_bad = f"'{record.image}'" if isinstance(record.image, Path) else f"row {record.row}"
        return len(done)

    def _decode_one(self, record: Record, slot: int) -> bool:
        if record.image is None or (self._order.needs_caption and not record.caption):
            return False
        try:
            pixels = decode(record.image, self._order.size, self._order.geometry)
        except MemoryError:
            raise
        except Exception:
            return False  # a damaged picture may raise nearly anything in Pillow's many readers
        view, place = pixels.data.cast("B"), slot * self._bytes
        while len(view):
            written = os.pwrite(self._file, view, place)
            view, place = view[written:], place + written
        return True

    def finish(self, class_names: Sequence[str]) -> None:
        """Writes everything beside the images; ``entry.json`` last."""
        slots = np.flatnonzero(self._good)
        np.save(self._folder / "slots.npy", slots)
        np.save(self._folder / "rows.npy", self._rows[slots])
        np.save(self._folder / "labels.npy", self._labels[slots])
        captions = [self._captions[slot] for slot in slots.tolist()]
        (self._folder / "captions.json").write_text(json.dumps(captions), encoding="utf-8")
        np.save(self._folder / "sums.npy", self._sums())
        about = {
            "format": FORMAT,
            "size": self._order.size,
            "slots": len(self._rows),
            "class_names": list(class_names),
            "sums": {name: crc(self._folder / name) for name in CHECKED},
        }
        (self._folder / "entry.json").write_text(json.dumps(about), encoding="utf-8")
        if bad := len(self._rows) - len(slots):
            message = (
                f"{self._order.name}: {bad} of {len(self._rows)} images could not be read and were left out "
                f"(the first is {self._first_bad})"
            )
            warnings.warn(message, stacklevel=2)

    def _sums(self) -> NDArray[np.uint32]:
        length = images_per_block(self._order.size) * self._bytes
        with (self._folder / "images.bin").open("rb") as handle:
            blocks = iter(lambda: handle.read(length), b"")
            return np.array([zlib.crc32(block) for block in blocks], dtype=np.uint32)
