"""Triggers that are learnt, by a fitted attack or an inverter, as files of the store."""

from __future__ import annotations

import dataclasses
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmark.errors import ClipdefenseError, StorageError
from benchmark.registry import location_of
from benchmark.types import Attack


def save_tensors(tensors: Mapping[str, Tensor], path: Path, recorded: Mapping[str, str] | None = None) -> None:
    """Writes tensors as safetensors, whose own errors are none that a caller of the operating system expects.

    Args:
        tensors: by name.
        path: of the file.
        recorded: what the file's header says beside them.

    Raises:
        StorageError: the disk is full or read-only.
    """
    try:
        save_file({name: value.cpu().contiguous() for name, value in tensors.items()}, path, dict(recorded or {}))
    except SafetensorError as error:
        raise StorageError(f"cannot write '{path}': {error}; free space or choose another store") from error


def save_attack(attack: Attack, folder: Path) -> None:
    """Writes the scalar fields as JSON and the tensor fields as safetensors.

    Raises:
        ClipdefenseError: the attack is no dataclass, so that its fields are unknown.
    """
    if not dataclasses.is_dataclass(attack) or isinstance(attack, type):
        raise ClipdefenseError(f"'{type(attack).__name__}' must be a dataclass, so that what it learnt can be kept")
    values = {field.name: getattr(attack, field.name) for field in dataclasses.fields(attack) if field.init}
    tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
    scalars = {name: value for name, value in values.items() if name not in tensors}
    save_tensors(tensors, folder / "learnt.safetensors")
    (folder / "attack.json").write_text(json.dumps({"plugin": location_of(attack), "fields": scalars}))


def load_attack(folder: Path, like: Attack | None = None) -> Attack:
    """The attack that was saved; ``like`` gives the class of a plugin from a loose file."""
    saved = json.loads((folder / "attack.json").read_text())
    kind: Any = type(like) if like is not None else _class_at(saved["plugin"])
    attack: Attack = kind(**saved["fields"], **load_file(folder / "learnt.safetensors"))
    return attack


def _class_at(location: str) -> type:
    module, _, name = location.partition(":")
    found: type = getattr(importlib.import_module(module), name)
    return found
