"""Data at a path or on the hub: which format it has, which files belong to which split, what identifies it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from benchmark import hub
from benchmark.data.folders import PICTURES, ImageFolder
from benchmark.data.records import Columns, Source
from benchmark.data.shards import Shards
from benchmark.data.tables import Arrow, Parquet
from benchmark.errors import UserError
from benchmark.fingerprint import digest
from benchmark.progress import Progress

Format = Literal["parquet", "shards", "arrow", "images"]
_SUFFIXES: dict[str, Format] = {".parquet": "parquet", ".tar": "shards", ".arrow": "arrow"}
_CONVERTED = "refs/convert/parquet"
"""Branch on which the hub keeps parquet files of sets in other formats."""


def _format_of(name: str) -> Format | None:
    suffix = PurePosixPath(name).suffix.lower()
    return "images" if suffix in PICTURES else _SUFFIXES.get(suffix)


def _says(name: str, split: str) -> bool:
    """Whether a file's name tells that it belongs to a split; the folders count where the name itself is silent."""
    path = PurePosixPath(name)
    token = re.compile(rf"(?<![a-z0-9]){re.escape(split.lower())}(?![a-z0-9])")
    return bool(token.search(path.stem.lower())) or split in path.parts[:-1]


@dataclass(frozen=True, kw_only=True)
class Collection:
    """One data set in one format.

    Attributes:
        path: as the user wrote it.
        format: how its files are read.
        names: its files, relative to its folder or repository.
        identity: a digest of what is in it: file names and sizes, or the commit on the hub.
        remote: whether its files are on the hub.
        fetch: from names to local paths.
    """

    path: str
    format: Format
    names: tuple[str, ...]
    identity: str
    remote: bool
    fetch: Callable[[Sequence[str], Progress | None], list[Path]]

    def of_split(self, split: str) -> tuple[str, ...]:
        """The files of a split, in the order of their names; for pictures the folder of the split is required."""
        if self.format in ("images", "arrow"):
            return tuple(name for name in self.names if split and PurePosixPath(name).parts[0] == split)
        return tuple(name for name in self.names if split and _says(name, split))

    def splits(self, train: str, test: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The files of the two splits; without any sign of either, all files are for training.

        Raises:
            UserError: there is no training split, or a file belongs to both.
        """
        training, testing = self.of_split(train), self.of_split(test)
        if both := sorted(set(training) & set(testing)):
            raise UserError(f"'{self.path}': file '{both[0]}' belongs to both '{train}' and '{test}'; rename it")
        if not training and not testing:
            training = self.names
        if not training:
            some = ", ".join(self.names[:5])
            raise UserError(f"'{self.path}' has no split '{train}'; it holds: {some}; set train_split and test_split")
        return training, testing

    def source(self, names: Sequence[str], columns: Columns, progress: Progress | None = None) -> Source:
        """The given files as one source.

        Raises:
            UserError: a file is missing or damaged, a column does not exist, or the hub cannot be reached.
        """
        paths = self.fetch(names, progress)
        where = f"dataset '{self.path}'"
        if self.format == "parquet":
            return Parquet(paths, columns, where)
        if self.format == "shards":
            return Shards(paths)
        if self.format == "arrow":
            folders = sorted({path.parent for path in paths})
            if len(folders) > 1:
                raise UserError(f"{where} holds several splits; set train_split and test_split to their folders' names")
            return Arrow(folders[0], columns, where)
        root = paths[0].parents[len(PurePosixPath(names[0]).parts) - 1]
        return _images(root, names, where)


def _images(root: Path, names: Sequence[str], where: str) -> ImageFolder:
    parts = [PurePosixPath(name).parts for name in names]
    first = {part[0] for part in parts}
    if len(first) == 1 and all(len(part) > 2 for part in parts):
        root = root / first.pop()
        parts = [part[1:] for part in parts]
    if any(len(part) < 2 for part in parts):
        raise UserError(f"{where} has pictures outside of class folders; put them into CLASS/ or train/CLASS/")
    return ImageFolder(root, ["/".join(part) for part in parts])


def is_repository(path: str) -> bool:
    """Whether a path could be the ``owner/name`` of a repository on the hub."""
    return re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", path) is not None


def locate(path: str, *, config: str, revision: str, folder: Path) -> Collection:
    """Finds data on the disk or, where there is none and the path is an ``owner/name``, on the hub.

    Args:
        path: a folder, a file, or a dataset repository of the hub.
        config: name of a folder inside, for sets with several configurations; empty for the only one.
        revision: branch, tag or commit on the hub; empty for the main branch.
        folder: where lists of the hub's files are kept.

    Raises:
        UserError: there is nothing, or nothing that can be read, or several configurations.
    """
    if not path:
        raise UserError("the dataset has no path; set 'path' to a folder or to a dataset repository of the hub")
    local = Path(path).expanduser()
    if local.exists():
        return _local(path, local, config)
    if is_repository(path):
        return _remote(path, config, revision, folder)
    raise UserError(f"there is no folder or file '{path}'; set 'path' to where the data are")


def _local(path: str, root: Path, config: str) -> Collection:
    base = root.parent if root.is_file() else root
    try:
        files = [root] if root.is_file() else sorted(file for file in root.rglob("*") if file.is_file())
        sizes = {file.relative_to(base).as_posix(): file.stat().st_size for file in files}
    except OSError as error:
        raise UserError(f"'{path}' cannot be read: {(error.strerror or str(error)).lower()}") from error
    found, names = _readable(path, list(sizes), config)
    return Collection(
        path=path,
        format=found,
        names=names,
        identity=digest([(name, sizes[name]) for name in names]),
        remote=False,
        fetch=lambda wanted, progress: [base / name for name in wanted],
    )


def _remote(path: str, config: str, revision: str, folder: Path) -> Collection:
    sought = f"dataset '{path}', which is no folder here,"
    listed = hub.listing(path, revision or "main", folder, sought)
    if not any(_format_of(name) in ("parquet", "shards") for name in listed.names) and not revision:
        listed = hub.listing(path, _CONVERTED, folder, sought)
    found, names = _readable(path, [name for name in listed.names if "partial-" not in name], config)
    return Collection(
        path=path,
        format=found,
        names=names,
        identity=digest([path, listed.commit]),
        remote=True,
        fetch=lambda wanted, progress: hub.fetch("dataset", path, wanted, sought, listed.commit, progress),
    )


def _readable(path: str, names: Sequence[str], config: str) -> tuple[Format, tuple[str, ...]]:
    inside = [name for name in names if not config or config in PurePosixPath(name).parts[:-1]]
    for wanted in ("parquet", "shards", "arrow", "images"):
        chosen = tuple(sorted(name for name in inside if _format_of(name) == wanted))
        if chosen:
            if not config and wanted == "parquet":
                _refuse_several(path, chosen)
            return wanted, chosen
    some = f"; it holds: {', '.join(list(names)[:5])}" if names else "; it is empty"
    within = f" in configuration '{config}'" if config else ""
    raise UserError(f"'{path}' has no parquet, tar, arrow or picture files{within}{some}")


def _refuse_several(path: str, names: Sequence[str]) -> None:
    """One kind of split in several folders means several configurations, which must not be mixed."""
    folders: dict[str, set[str]] = {}
    for name in names:
        parts = PurePosixPath(name).parts
        split = re.split(r"[-_.\d]", parts[-1])[0] or parts[-2 if len(parts) > 1 else -1]
        folders.setdefault(split, set()).add(parts[0] if len(parts) > 1 else "")
    several = max((sorted(found) for found in folders.values()), key=len)
    if len(several) > 1:
        raise UserError(f"'{path}' has several configurations ({', '.join(several)}); set 'config' to one of them")
