"""Decoded images on the disk: 8-bit pixels in one mapped file, with checksums, and all that belongs to them.

FOLDER/KEY/COUNT/   the first COUNT images of a split ("all": every one)
    images.bin      slots x 3 x size x size bytes
    slots.npy       where each image lies; unreadable pictures leave unused slots
    rows.npy        which row of the source each image is
    labels.npy      the source's numbers, -1 where it has none
    captions.json   the source's texts, empty where it has none
    sums.npy        one CRC-32 per block of images.bin
    entry.json      the rest, with the CRC-32 of every other file

The small files are checked when an entry is opened, the blocks of images (about a megabyte each) when one of their
images is first read: opening stays instant and bounded in memory at any size, and no damaged pixel is ever handed out.
"""

from __future__ import annotations

import json
import shutil
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.records import Rows
from benchmark.errors import ClipdefenseError

FORMAT = 1
ALL = "all"
CHECKED = ("slots.npy", "rows.npy", "labels.npy", "captions.json", "sums.npy")
_BLOCK_BYTES = 1 << 20
_CHUNK = 1 << 22


def images_per_block(size: int) -> int:
    """How many images of ``size`` pixels share a checksum."""
    return max(1, _BLOCK_BYTES // (3 * size * size))


def crc(path: Path) -> int:
    """The CRC-32 of a whole file, read a few megabytes at a time."""
    total = 0
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK):
            total = zlib.crc32(chunk, total)
    return total


class DecodedImages:
    """An image source mapped from disk: only the rows that are asked for are read.

    Args:
        folder: the entry.
        size: side of the images in pixels.
        slots: (N,) where each image lies in the file.
    """

    def __init__(self, folder: Path, size: int, slots: Rows) -> None:
        self._folder, self._size, self._slots = folder, size, slots
        flat = np.memmap(folder / "images.bin", dtype=np.uint8, mode="r")
        self._pixels: NDArray[np.uint8] = flat.reshape(-1, 3, size, size)
        self._sums: NDArray[np.uint32] = np.load(folder / "sums.npy")
        self._checked = np.zeros(len(self._sums), dtype=np.bool_)

    def __len__(self) -> int:
        return len(self._slots)

    def __getitem__(self, rows: Tensor, /) -> Tensor:
        """Rows (B,) int64 -> images (B, 3, size, size) uint8, a copy.

        Raises:
            ClipdefenseError: the file is damaged; the entry is removed, so that the next run decodes again.
        """
        slots = self._slots[rows.cpu().numpy()]
        self._check(slots // images_per_block(self._size))
        return torch.from_numpy(np.asarray(self._pixels[slots]))

    def __reduce__(self) -> tuple[Any, ...]:
        return DecodedImages, (self._folder, self._size, self._slots)

    def first(self, count: int) -> DecodedImages:
        return DecodedImages(self._folder, self._size, self._slots[:count])

    def _check(self, blocks: Rows) -> None:
        length = images_per_block(self._size)
        for block in np.unique(blocks[~self._checked[blocks]]).tolist():
            if zlib.crc32(self._pixels[block * length : (block + 1) * length].data) != self._sums[block]:
                shutil.rmtree(self._folder, ignore_errors=True)
                raise ClipdefenseError(
                    f"the decoded images in '{self._folder}' are damaged (block {block}) and were removed; "
                    "run again, and they are decoded afresh"
                )
            self._checked[block] = True


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Decoded images with what the source says of each; all sequences have one entry per image.

    Attributes:
        images: (N, 3, size, size) uint8.
        rows: (N,) rows of the source.
        labels: (N,) the source's numbers, -1 where it has none.
        captions: the source's texts, empty where it has none.
        class_names: as the source spells them.
        complete: whether these are all images of the split.
    """

    images: DecodedImages
    rows: Rows
    labels: NDArray[np.int64]
    captions: tuple[str, ...]
    class_names: tuple[str, ...]
    complete: bool

    def __len__(self) -> int:
        return len(self.rows)

    def first(self, count: int) -> Entry:
        """The first ``count`` images."""
        if count == len(self):
            return self
        return Entry(
            images=self.images.first(count),
            rows=self.rows[:count],
            labels=self.labels[:count],
            captions=self.captions[:count],
            class_names=self.class_names,
            complete=False,
        )


def open_entry(folder: Path) -> Entry | None:
    """The entry in a folder, or None where it is missing, cut short or damaged; a damaged one is removed."""
    try:
        about = json.loads((folder / "entry.json").read_text(encoding="utf-8"))
        size, expected = about["size"], about["slots"] * 3 * about["size"] ** 2
        whole = about["format"] == FORMAT and (folder / "images.bin").stat().st_size == expected
        if whole and all(crc(folder / name) == about["sums"][name] for name in CHECKED):
            return Entry(
                images=DecodedImages(folder, size, np.load(folder / "slots.npy")),
                rows=np.load(folder / "rows.npy"),
                labels=np.load(folder / "labels.npy"),
                captions=tuple(json.loads((folder / "captions.json").read_text(encoding="utf-8"))),
                class_names=tuple(about["class_names"]),
                complete=folder.name == ALL,
            )
    except FileNotFoundError:
        if not folder.exists():
            return None
    except (OSError, ValueError, KeyError, TypeError):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    return None


def find(folder: Path, count: int | None) -> Entry | None:
    """An entry with at least ``count`` images (None: all) among those of one key, the smallest that serves."""
    kept = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    numbers = sorted(int(name) for name in kept if name.isdigit())
    wanted = [str(number) for number in numbers if count is not None and number >= count]
    for name in [*wanted[:1], ALL] if wanted or ALL in kept else []:
        if (entry := open_entry(folder / name)) is not None:
            return entry
    return None
