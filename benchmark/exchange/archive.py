"""A zip file of known members, each with its checksum in a manifest; read without trusting a word of it."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from benchmark.errors import UserError
from benchmark.files import malformed, replacing
from benchmark.results import SCHEMA_VERSION

FORMAT_VERSION = 1
MANIFEST, PLAN = "manifest.json", "plan.json"
MEMBER_BYTES = 64 * 2**20
ARCHIVE_BYTES = 2**30
FOLDERS = ("results/", "findings/")
_STORED = re.compile(
    r"(results/(?P<key>[0-9a-f]{8,64})\.(?P<kind>json|npz))|(findings/(?P<finding>[0-9a-f]{8,64})\.json)"
)
_UNREADABLE = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError)


class Manifest(BaseModel):
    """What a zip file holds: the SHA-256 of every other member, by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["clipdefense results"] = "clipdefense results"
    format_version: int = FORMAT_VERSION
    schema_version: int = SCHEMA_VERSION
    files: dict[str, str]


def key_of(name: str, kind: str) -> str | None:
    """The key of a member that is a result ("json"), its outcomes ("npz") or a "finding", or None."""
    found = _STORED.fullmatch(name)
    if found is None or kind == "finding":
        return None if found is None else found["finding"]
    return found["key"] if found["kind"] == kind else None


def write_archive(path: Path, members: Mapping[str, bytes]) -> None:
    """Writes the members and their manifest; the same members give the same bytes.

    Raises:
        StorageError: the disk is full.
        UserError: there is such a file already, or the folder cannot be written to.
    """
    if path.exists():
        raise UserError(f"'{path}' exists already; choose another name or remove it")
    manifest = Manifest(files={name: hashlib.sha256(content).hexdigest() for name, content in members.items()})
    with (
        replacing(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
    ):
        for name, content in {MANIFEST: manifest.model_dump_json(indent=1).encode(), **members}.items():
            info = zipfile.ZipInfo(name)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(info, content)


def read_archive(path: Path) -> dict[str, bytes]:
    """All members but the manifest, once each was found to be what the manifest says.

    Raises:
        UserError: it is no such file, of a foreign version, was changed, or holds what it should not.
    """
    if fault := malformed(path):
        raise UserError(f"'{path}' {fault}")
    try:
        with zipfile.ZipFile(path) as archive:
            infos = _admitted(path, archive.infolist())
            members = {info.filename: archive.read(info) for info in infos}
    except _UNREADABLE as error:
        raise UserError(f"'{path}' is no zip file that can be read ({error}); fetch it again") from error
    manifest = _manifest(path, members.pop(MANIFEST, None))
    _compare(path, manifest, members)
    return members


def _admitted(path: Path, infos: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """The members, refused before a byte of them is unpacked where name or size is not as it should be."""
    infos = [info for info in infos if info.filename not in FOLDERS]
    names = [info.filename for info in infos]
    for info in infos:
        if info.filename not in (MANIFEST, PLAN) and _STORED.fullmatch(info.filename) is None:
            raise UserError(
                f"'{path}' holds '{info.filename}', which is neither a plan nor a result; it is not imported"
            )
        if info.file_size > MEMBER_BYTES:
            raise UserError(f"'{path}': '{info.filename}' unpacks to more than {MEMBER_BYTES >> 20} MiB; it is refused")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"'{path}' holds '{twice}' twice; export the run again")
    if sum(info.file_size for info in infos) > ARCHIVE_BYTES:
        raise UserError(f"'{path}' unpacks to more than {ARCHIVE_BYTES >> 20} MiB; export fewer cells at a time")
    return infos


def _manifest(path: Path, content: bytes | None) -> Manifest:
    if content is None:
        raise UserError(f"'{path}' has no {MANIFEST}; it was not written by 'clipdefense export-results'")
    try:
        plain: Any = json.loads(content)
        written = {name: int(plain[name]) for name in ("format_version", "schema_version")}
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"'{path}': {MANIFEST} cannot be read; export the run again") from error
    for name, newest in (("format_version", FORMAT_VERSION), ("schema_version", SCHEMA_VERSION)):
        if not 1 <= written[name] <= newest:
            raise UserError(
                f"'{path}' is of {name.replace('_', ' ')} {written[name]} and this clipdefense reads 1 to {newest}; "
                "update clipdefense"
            )
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        raise UserError(f"'{path}': {MANIFEST} is no manifest of results; export the run again") from error


def _compare(path: Path, manifest: Manifest, members: Mapping[str, bytes]) -> None:
    for name in sorted(manifest.files.keys() | members.keys()):
        if name not in members:
            raise UserError(f"'{path}' lacks '{name}', which its manifest names; fetch it again")
        if name not in manifest.files:
            raise UserError(f"'{path}': '{name}' was added after the export; it is refused")
        if hashlib.sha256(members[name]).hexdigest() != manifest.files[name]:
            raise UserError(f"'{path}': '{name}' was changed after the export (its SHA-256 differs); it is refused")
    if PLAN not in members:
        raise UserError(f"'{path}' holds no {PLAN}; export the run again")


def unpacked_size(content: bytes) -> int:
    """Bytes that an ``npz`` file unpacks to, by its own index.

    Raises:
        zipfile.BadZipFile: it is none.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as arrays:
        return sum(info.file_size for info in arrays.infolist())
