"""Sources with columns: parquet files, and folders that ``datasets`` wrote with ``save_to_disk``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from benchmark.data.records import Columns, Record, Rows
from benchmark.errors import UserError
from benchmark.files import malformed

_BATCH = 64
_READ_AHEAD = 1 << 20


def _chosen(wanted: str, names: Sequence[str], kinds: Mapping[str, str], kind: str, where: str) -> str:
    """The column ``wanted``, or where there is none of that name the only one of the right kind."""
    if not wanted or wanted in names:
        return wanted
    alike = [name for name in names if kinds.get(name) == kind]
    if len(alike) == 1:
        return alike[0]
    raise UserError(f"{where} has no column '{wanted}'; it has: {', '.join(names)}")


def _image(value: Any, folder: Path) -> bytes | Path | None:
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, str) and value:
        return folder / value
    return value if isinstance(value, bytes) and value else None


def _caption(value: Any, row: int, every: bool) -> str:
    texts = [" ".join(str(text).split()) for text in (value if isinstance(value, list | tuple) else [value]) if text]
    if every:
        return "\n".join(text for text in texts if text)
    return texts[row % len(texts)] if texts else ""


class _Table:
    """What parquet and arrow share: the choice of columns, class names, and rows turned into records."""

    def __init__(self, names: Sequence[str], features: Mapping[str, Any], columns: Columns, where: str) -> None:
        kinds = {name: str(feature.get("_type", "")) for name, feature in features.items() if isinstance(feature, dict)}
        self._image = _chosen(columns.image, names, kinds, "Image", where)
        self._label = _chosen(columns.label, names, kinds, "ClassLabel", where)
        self._caption = _chosen(columns.caption, names, kinds, "", where)
        self._every = columns.every_caption
        self._read = [name for name in (self._image, self._label, self._caption) if name]
        self._where = where
        described = features.get(self._label)
        self._names: tuple[str, ...] | None = None
        declared = described.get("names") if isinstance(described, dict) else None
        self.declared = bool(declared)
        if declared:
            self._names = tuple(str(name) for name in declared)

    def _records(self, table: Any, rows: Sequence[int], folder: Path) -> Iterator[Record]:
        columns = {name: table.column(name).to_pylist() for name in self._read}
        for place, row in enumerate(rows):
            yield Record(
                row,
                _image(columns[self._image][place], folder),
                self._number(columns[self._label][place]) if self._label else None,
                _caption(columns[self._caption][place], row, self._every) if self._caption else "",
            )

    def _number(self, label: Any) -> int | None:
        if isinstance(label, str):
            return self.class_names.index(label) if label in self.class_names else None
        return int(label) if label is not None and label >= 0 else None

    def _texts(self) -> set[str]:
        raise NotImplementedError

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of a ClassLabel column; of a text column its values in alphabetical order; else empty."""
        if self._names is None:
            self._names = tuple(sorted(self._texts())) if self._label else ()
        return self._names


class Parquet(_Table):
    """Parquet files one after the other, read as a stream: no copy, no conversion, a page at a time.

    Raises:
        UserError: a file is missing or no parquet file, or a column does not exist.
    """

    def __init__(self, files: Sequence[Path], columns: Columns, where: str) -> None:
        self._files = files
        counts = []
        for file in files:
            with self._open(file) as opened:
                counts.append(opened.metadata.num_rows)
        self._starts: list[int] = [0, *accumulate(counts)]
        with self._open(files[0]) as opened:
            schema = opened.schema_arrow
        described = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        super().__init__(schema.names, described.get("info", {}).get("features", {}), columns, where)
        self._text_labels = bool(self._label) and str(schema.field(self._label).type) in ("string", "large_string")

    @staticmethod
    def _open(file: Path) -> Any:
        import pyarrow
        from pyarrow.parquet import ParquetFile

        try:
            return ParquetFile(file, pre_buffer=False, buffer_size=_READ_AHEAD)
        except (OSError, pyarrow.ArrowException) as error:
            wrong = malformed(file) or "is no whole parquet file; fetch it again"
            raise UserError(f"'{file}' {wrong}") from error

    def __len__(self) -> int:
        return self._starts[-1]

    def _texts(self) -> set[str]:
        found: set[str] = set()
        for file in self._files if self._text_labels else ():
            with self._open(file) as opened:
                for batch in opened.iter_batches(columns=[self._label]):
                    found.update(value for value in batch.column(0).unique().to_pylist() if value is not None)
        return found

    def records(self, rows: Rows) -> Iterator[Record]:
        for file, first, end in zip(self._files, self._starts, self._starts[1:], strict=False):
            mine = rows[(rows >= first) & (rows < end)]
            if len(mine):
                with self._open(file) as opened:
                    yield from self._of_file(opened, mine, first, file)

    def _of_file(self, opened: Any, rows: Rows, start: int, file: Path) -> Iterator[Record]:
        import pyarrow

        try:
            for group in range(opened.num_row_groups):
                end = start + opened.metadata.row_group(group).num_rows
                mine = rows[(rows >= start) & (rows < end)]
                if len(mine):
                    yield from self._of_group(opened, group, mine, start, file.parent)
                start = end
        except (OSError, pyarrow.ArrowException) as error:
            raise UserError(f"'{file}' cannot be read to its end; fetch it again") from error

    def _of_group(self, opened: Any, group: int, rows: Rows, start: int, folder: Path) -> Iterator[Record]:
        for batch in opened.iter_batches(batch_size=_BATCH, row_groups=[group], columns=self._read):
            mine = rows[(rows >= start) & (rows < start + len(batch))]
            if len(mine):
                yield from self._records(batch.take(mine - start), mine.tolist(), folder)
            start += len(batch)


class Arrow(_Table):
    """One split of a folder that ``datasets`` wrote with ``save_to_disk``; its files are mapped, not copied.

    Raises:
        UserError: the folder is damaged, or a column does not exist.
    """

    def __init__(self, folder: Path, columns: Columns, where: str) -> None:
        import datasets

        hidden = datasets.are_progress_bars_disabled()
        datasets.disable_progress_bars()
        try:
            found = datasets.Dataset.load_from_disk(str(folder))
        except Exception as error:
            raise UserError(f"'{folder}' is no whole folder of datasets.save_to_disk: {error}") from error
        finally:
            if not hidden:
                datasets.enable_progress_bars()
        self._folder = folder
        super().__init__(found.column_names, found.features.to_dict(), columns, where)
        self._data: Any = found.select_columns(self._read).with_format("arrow")

    def __len__(self) -> int:
        return len(self._data)

    def _texts(self) -> set[str]:
        values = self._data.select_columns([self._label]).unique(self._label)
        return {value for value in values if isinstance(value, str)}

    def records(self, rows: Rows) -> Iterator[Record]:
        for start in range(0, len(rows), _BATCH):
            mine = [int(row) for row in rows[start : start + _BATCH]]
            yield from self._records(self._data[mine], mine, self._folder)
