"""Models as files that plain open_clip reads."""

from __future__ import annotations

import json
import os
from pathlib import Path

import open_clip
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from benchmark.architectures import ModelSpec
from benchmark.checkpoints import QUICK_GELU_SUFFIX
from benchmark.errors import StorageError, UserError
from benchmark.files import replacing
from benchmark.models import Clip


def refuse_adapters(model: Clip) -> None:
    """Raises a ``UserError`` for a model that is more than its architecture."""
    if kinds := ", ".join(model.adapters):
        raise UserError(f"model '{model.spec.name}' has adapters ({kinds}), which plain open_clip cannot represent")


def save_safetensors(model: Clip, path: Path) -> None:
    """Writes the weights, all or nothing, so that ``open_clip.create_model(ARCHITECTURE, pretrained=path)`` reads them.

    ARCHITECTURE is the one that the file records beside the activation and the normalisation; buffers are kept.

    Raises:
        UserError: the model has adapters, which plain open_clip cannot represent, or the folder cannot be written.
        StorageError: the disk is full.
    """
    refuse_adapters(model)
    told = str(model.quick_gelu).lower()
    recorded = {"format": "pt", "architecture": _named(model.spec, model.quick_gelu), "quick_gelu": told}
    if model.normalisation is not None:
        recorded["normalisation"] = json.dumps(model.normalisation)
    dense = torch.contiguous_format
    weights = {name: value.cpu().clone(memory_format=dense) for name, value in model.weights().items()}
    with replacing(path) as temporary:
        try:
            save_file(weights, temporary, metadata=recorded)
        except SafetensorError as error:  # the library's name for a full disk
            raise StorageError(f"cannot write '{path}': {error}; free space or choose another folder") from error


def export(model: Clip, path: Path) -> str:
    """Writes the weights as ``save_safetensors`` does; says how plain open_clip reads them.

    An architecture that open_clip does not know goes into a file ``ARCHITECTURE.json`` beside the weights.
    """
    save_safetensors(model, path)
    architecture = _named(model.spec, model.quick_gelu)
    said = f"open_clip.create_model('{architecture}', pretrained='{path}') reads it"
    if not model.spec.config:
        return said
    described = path.with_name(f"{architecture}.json")
    with replacing(described) as temporary:
        temporary.write_text(json.dumps({**model.spec.config, "quick_gelu": model.quick_gelu}, indent=1))
    return f"{said} after open_clip.add_model_config('{described}')"


def refuse_place(path: Path, *, force: bool) -> None:
    """Raises a ``UserError`` for an export that would overwrite something or that open_clip would not read."""
    if path.suffix != ".safetensors":
        raise UserError(f"--out {path}: the file is in safetensors format; let its name end in .safetensors")
    if path.is_dir() or (path.exists() and not force):
        raise UserError(f"--out {path}: there is something of this name already; choose another or give --force")
    folder = next(place for place in path.absolute().parents if place.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UserError(f"--out {path}: cannot write into '{folder}'; choose another folder")


def _named(spec: ModelSpec, quick_gelu: bool) -> str:
    """The architecture under the name by which open_clip builds it with this activation."""
    base = spec.architecture.removesuffix(QUICK_GELU_SUFFIX)
    other = f"{base}{QUICK_GELU_SUFFIX}"
    return other if quick_gelu and other in open_clip.list_models() else base
