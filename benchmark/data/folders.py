"""Pictures as files in one folder per class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from benchmark.data.records import Record, Rows

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"})


class ImageFolder:
    """The pictures of one split, sorted by name; the first folder on the way to a picture is its class.

    Args:
        root: the split's folder.
        names: paths of the pictures below it, each ``CLASS/.../FILE``.
    """

    declared = False

    def __init__(self, root: Path, names: Sequence[str]) -> None:
        self._root, self._names = root, sorted(names)
        self._classes = tuple(sorted({PurePosixPath(name).parts[0] for name in self._names}))

    @property
    def class_names(self) -> tuple[str, ...]:
        return self._classes

    def __len__(self) -> int:
        return len(self._names)

    def records(self, rows: Rows) -> Iterator[Record]:
        numbers = {name: number for number, name in enumerate(self._classes)}
        for row in rows.tolist():
            name = self._names[row]
            yield Record(row, self._root / name, numbers[PurePosixPath(name).parts[0]], "")
