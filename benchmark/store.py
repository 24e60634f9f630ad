"""The content-addressed store of trained artifacts: written whole or not at all, checked when read.

STORE/KIND/KEY/            the artifact's files and manifest.json with their checksums
STORE/started/KIND-KEY     a start marker: work that began and has not ended
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
import psutil

from benchmark.errors import ClipdefenseError, StorageError, UserError
from benchmark.fingerprint import file_digest
from benchmark.runs import write_atomically

_MANIFEST = "manifest.json"
MAXIMAL_DEATHS = 2


def default_store() -> Path:
    """``CLIPDEFENSE_STORE``, or a folder of the user's cache."""
    named = os.environ.get("CLIPDEFENSE_STORE")
    return Path(named) if named else platformdirs.user_cache_path("clipdefense", appauthor=False) / "store"


class DiedRepeatedly(ClipdefenseError):
    """Earlier processes ended without a word while doing this work."""


class Store:
    """One store folder, safe against being killed at any moment.

    Raises:
        UserError: the folder cannot be made or written to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            (root / "started").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror or str(error)
            raise UserError(f"the store '{root}' cannot be made: {reason}; choose another with --store") from error
        if not os.access(root, os.W_OK):
            raise UserError(f"the store '{root}' is read-only; choose another with --store or CLIPDEFENSE_STORE")

    def path(self, kind: str, key: str) -> Path:
        return self.root / kind / key

    def has(self, kind: str, key: str) -> bool:
        """Whether the artifact is complete, by its manifest alone."""
        return (self.path(kind, key) / _MANIFEST).is_file()

    def read(self, kind: str, key: str) -> Path | None:
        """The artifact's folder with every checksum confirmed, or None; a damaged artifact is removed."""
        folder = self.path(kind, key)
        try:
            sums = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
            if all(file_digest(folder / name) == expected for name, expected in sums.items()):
                return folder
        except FileNotFoundError:
            if not folder.exists():
                return None
        except (OSError, ValueError, AttributeError):
            pass
        shutil.rmtree(folder, ignore_errors=True)
        return None

    def write(self, kind: str, key: str, fill: Callable[[Path], None]) -> Path:
        """Lets ``fill`` write files into a temporary folder, then moves it into place with a manifest.

        Raises:
            StorageError: the disk is full or read-only.
        """
        folder = self.path(kind, key)
        temporary = folder.with_name(f".writing-{secrets.token_hex(8)}")
        try:
            temporary.mkdir(parents=True)
            fill(temporary)
            sums = {path.name: file_digest(path) for path in sorted(temporary.iterdir())}
            write_atomically(temporary / _MANIFEST, json.dumps(sums, indent=1).encode())
            shutil.rmtree(folder, ignore_errors=True)
            temporary.rename(folder)
        except OSError as error:
            reason = error.strerror or str(error)
            raise StorageError(f"cannot write '{folder}': {reason}; free space or choose another store") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return folder

    @contextmanager
    def started(self, kind: str, key: str) -> Iterator[None]:
        """Marks work as begun for the length of the block, and counts the processes that never left it.

        Raises:
            DiedRepeatedly: two earlier processes died inside.
        """
        marker = self.root / "started" / f"{kind}-{key}"
        deaths = self.deaths(kind, key)
        if deaths >= MAXIMAL_DEATHS:
            raise DiedRepeatedly(
                f"the process died {deaths} times while computing this {kind} (killed, or out of memory); "
                "run again with '--retry failed' after mending the cause"
            )
        note = {"starts": deaths + 1, "process": os.getpid(), "host": socket.gethostname()}
        write_atomically(marker, json.dumps(note).encode())
        try:
            yield
        finally:
            marker.unlink(missing_ok=True)

    def deaths(self, kind: str, key: str) -> int:
        """How many processes started this work and neither finished nor still run."""
        try:
            note = json.loads((self.root / "started" / f"{kind}-{key}").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return 0
        alive = note["host"] == socket.gethostname() and psutil.pid_exists(note["process"])
        return int(note["starts"]) - (1 if alive else 0)

    def forget_deaths(self, kind: str, key: str) -> None:
        (self.root / "started" / f"{kind}-{key}").unlink(missing_ok=True)

    def artifacts(self) -> list[tuple[str, str, int]]:
        """(kind, key, bytes) of everything in the store, half-written folders of dead processes included."""
        found = []
        for folder in sorted(self.root.glob("*/*")):
            if folder.is_dir() and folder.parent.name != "data":
                size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
                found.append((folder.parent.name, folder.name, size))
        return found

    def remove(self, kind: str, key: str) -> None:
        shutil.rmtree(self.path(kind, key), ignore_errors=True)
