"""Files of the Hugging Face hub: from its local cache where they are there, else downloaded, never waiting for long."""

from __future__ import annotations

import errno
import json
import os
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmark.errors import ClipdefenseError, UserError
from benchmark.files import cannot_write, replacing
from benchmark.progress import Progress, Silent

Kind = Literal["model", "dataset"]
PATIENCE = 10.0
"""Seconds that the hub has for its first answer."""

_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.ENOTDIR}
_REMEDIES: dict[Kind, str] = {
    "model": "connect to it, or name a local checkpoint as ARCHITECTURE@PATH",
    "dataset": "connect to it, or set 'path' to a local copy (--data DATASET=PATH)",
}


def endpoint() -> str:
    """The hub's address; ``HF_ENDPOINT`` moves it."""
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def answers(address: str, patience: float = PATIENCE) -> bool:
    """Whether a server answers an HTTP request within ``patience`` seconds; name resolution counts too."""
    heard: list[bool] = []

    def ask() -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=patience).close()
            heard.append(True)
        except urllib.error.HTTPError as error:
            error.close()
            heard.append(True)
        except urllib.error.URLError as error:
            heard.append(isinstance(error.reason, ssl.SSLError))
        except Exception:
            heard.append(False)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(patience)
    return bool(heard) and heard[0]


def _offline() -> bool:
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE) or os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"}


@contextmanager
def _quiet() -> Iterator[None]:
    import huggingface_hub.utils

    utils: Any = huggingface_hub.utils
    shown, level = not utils.are_progress_bars_disabled(), utils.logging.get_verbosity()
    utils.disable_progress_bars()
    utils.logging.set_verbosity_error()
    try:
        yield
    finally:
        utils.logging.set_verbosity(level)
        if shown:
            utils.enable_progress_bars()


@contextmanager
def _asking(kind: Kind, repository: str, sought: str, address: str) -> Iterator[None]:
    """Turns whatever goes wrong with the network or the hub into one sentence.

    The hub's own client retries for minutes where a server is silent, the hub itself or the one that it refers to for
    its files. So the very address is asked first.
    """
    from huggingface_hub import constants, errors

    place = f"'{repository}' on {endpoint()}"
    if _offline():
        raise UserError(f"{sought} is not in the local cache, and HF_HUB_OFFLINE forbids asking for {place}")
    if not answers(address):
        raise UserError(f"{sought} is not in the local cache, and {place} cannot be reached; {_REMEDIES[kind]}")
    try:
        with _quiet():
            yield
    except errors.GatedRepoError as error:
        raise UserError(f"{sought}: {place} is gated; accept its terms there and run 'hf auth login'") from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError) as error:
        raise UserError(f"{sought}: there is no {kind} {place} (or it is private, or the revision is wrong)") from error
    except Exception as error:
        if isinstance(error, errors.EntryNotFoundError) and not isinstance(error, errors.LocalEntryNotFoundError):
            raise
        if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
            raise cannot_write(Path(constants.HF_HUB_CACHE), error, "free space or set HF_HUB_CACHE") from error
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ClipdefenseError(f"{sought} could not be fetched from {place}: {reason}") from error


def cached(kind: Kind, repository: str, name: str, revision: str | None = None) -> Path | None:
    """The file in the hub's local cache, or None; never asks the network."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, name, revision=revision, repo_type=kind)
    return Path(found) if isinstance(found, str) and Path(found).is_file() else None


def fetch(
    kind: Kind,
    repository: str,
    names: Sequence[str],
    sought: str,
    revision: str | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Local paths of the named files; those that are not in the local cache are downloaded.

    Args:
        kind: "model" or "dataset".
        repository: ``owner/name``.
        names: paths inside the repository.
        sought: what the user asked for, the subject of an error sentence.
        revision: branch, tag or commit; None is the main branch.
        progress: who shows the downloads.

    Raises:
        UserError: there is no network, no such repository, or no right to read it.
        ClipdefenseError: the hub or the connection failed.
        huggingface_hub.errors.EntryNotFoundError: the repository has no such file.
    """
    from huggingface_hub import hf_hub_download, hf_hub_url

    found = {name: cached(kind, repository, name, revision) for name in names}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        address = hf_hub_url(repository, missing[0], repo_type=kind, revision=revision, endpoint=endpoint())
        with (
            _asking(kind, repository, sought, address),
            (progress or Silent()).task(f"downloading {repository}", len(missing)) as advance,
        ):
            for name in missing:
                path = hf_hub_download(repository, name, revision=revision, repo_type=kind, endpoint=endpoint())
                found[name] = Path(path)
                advance(1)
    return [path for path in found.values() if path is not None]


@dataclass(frozen=True)
class Listing:
    """The files of a repository at one commit."""

    repository: str
    commit: str
    names: tuple[str, ...]


def listing(repository: str, revision: str, folder: Path, sought: str) -> Listing:
    """What a dataset repository holds. Asked once and kept in ``folder``, so that later runs need no network.

    Raises:
        UserError: there is no network, no such repository, or no right to read it.
        ClipdefenseError: the hub or the connection failed.
    """
    record = folder / f"{repository.replace('/', '--')}@{revision.replace('/', '--')}.json"
    try:
        kept = json.loads(record.read_text(encoding="utf-8"))
        return Listing(repository, kept["commit"], tuple(kept["names"]))
    except (OSError, ValueError, KeyError):
        pass
    from huggingface_hub import HfApi

    with _asking("dataset", repository, sought, f"{endpoint()}/api/datasets/{repository}"):
        info = HfApi(endpoint=endpoint()).dataset_info(repository, revision=revision, timeout=PATIENCE)
    names = tuple(sorted(sibling.rfilename for sibling in info.siblings or ()))
    found = Listing(repository, str(info.sha), names)
    with replacing(record) as temporary:
        temporary.write_text(json.dumps({"commit": found.commit, "names": names}), encoding="utf-8")
    return found
