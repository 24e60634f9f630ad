"""An exported run, taken apart, so that tests can change it and put it together again."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

CELL = "tiny-resnet / shapes / blended / pruning / seed 0"


@dataclass
class Parcel:
    """The members of an exported run, to be changed at will.

    Attributes:
        members: content by name, the manifest's among them.
        key: of the result that tests tamper with.
        extra: members that are written on top, whatever their names.
    """

    members: dict[str, bytes]
    key: str
    extra: list[tuple[str, bytes]] = field(default_factory=list)

    @property
    def json(self) -> str:
        return f"results/{self.key}.json"

    @property
    def npz(self) -> str:
        return f"results/{self.key}.npz"

    def edit(self, name: str, change: Callable[[Any], object]) -> None:
        """Changes a JSON member in place; the manifest is left as it was."""
        plain = json.loads(self.members[name])
        change(plain)
        self.members[name] = json.dumps(plain).encode()

    def arrays(self) -> dict[str, np.ndarray]:
        with np.load(io.BytesIO(self.members[self.npz])) as found:
            return {name: found[name] for name in found.files}

    def pack_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        self.members[self.npz] = buffer.getvalue()

    def sign(self) -> None:
        """Writes the manifest anew, as somebody would who knows how."""
        sums = {n: hashlib.sha256(c).hexdigest() for n, c in self.members.items() if n != "manifest.json"}
        self.edit("manifest.json", lambda manifest: manifest.update(files=sums))

    def written(self) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            items: Iterable[tuple[str, bytes]] = [*self.members.items(), *self.extra]
            for name, content in items:
                archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        return buffer.getvalue()


@pytest.fixture(scope="session")
def exported(finished_micro, call, tmp_path_factory):
    """The bytes of the exported micro matrix."""
    path = tmp_path_factory.mktemp("exported") / "micro.zip"
    finished = call(finished_micro, "export-results", "micro.toml", str(path))
    assert (finished.code, finished.out) == (0, f"14 results in {path}\n")
    return path.read_bytes()


@pytest.fixture
def parcel(exported, finished_micro):
    with zipfile.ZipFile(io.BytesIO(exported)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return Parcel(members, finished_micro.found()[CELL].key)
