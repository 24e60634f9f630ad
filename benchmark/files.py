"""Files that appear whole or not at all, and a first look at files that somebody else wrote."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmark.errors import ClipdefenseError, StorageError, UserError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_LOOK = 512


def cannot_write(path: Path, error: OSError, remedy: str) -> ClipdefenseError:
    """The sentence for a failed write: a full disk is a ``StorageError``, a wrong place the user's own error."""
    kind = StorageError if error.errno in _FULL else UserError
    return kind(f"cannot write '{path}': {(error.strerror or str(error)).lower()}; {remedy}")


def beside(path: Path, suffix: str = ".tmp") -> Path:
    """A hidden name beside ``path`` that nobody else uses; unlike ``tempfile``, it leaves permissions to the umask."""
    return path.with_name(f".{secrets.token_hex(8)}{suffix}")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place if the block ends well and vanishes if it does not.

    Raises:
        StorageError: the disk is full.
        UserError: the folder is read-only or is no folder.
    """
    temporary = beside(path, f".tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        raise cannot_write(path, error, "free space or choose another folder") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def malformed(path: Path) -> str:
    """What is plainly wrong with a file that should hold data, as the rest of a sentence; empty where nothing is."""
    try:
        with path.open("rb") as handle:
            head = handle.read(_LOOK).lstrip().lower()
    except FileNotFoundError:
        return "does not exist"
    except OSError as error:
        return f"cannot be read: {(error.strerror or str(error)).lower()}"
    if not head:
        return "is empty; fetch it again"
    if head.startswith(b"<"):
        return "is an HTML page instead of data; the download went wrong, fetch it again"
    if head.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer instead of data; run 'git lfs pull' where it came from"
    return ""
