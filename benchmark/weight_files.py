"""Weight files as others saved them: read without running their code, told apart from what is none."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from benchmark.errors import UserError
from benchmark.files import malformed

_NESTED = ("state_dict", "model_state_dict", "model")


@dataclass(frozen=True)
class WeightFile:
    """A checkpoint as read: weights by name, and what the file records of its model."""

    weights: dict[str, Tensor]
    recorded: Mapping[str, str] = field(default_factory=dict)


def read_weights(path: Path) -> WeightFile:
    """A checkpoint in safetensors or PyTorch's format, which is never allowed to run code.

    Raises:
        UserError: the file is missing, empty, cut short, a web page, or holds anything but weights.
    """
    if wrong := malformed(path):
        raise UserError(f"checkpoint '{path}' {wrong}")
    with path.open("rb") as handle:
        head = handle.read(9)
    try:
        if head[8:9] == b"{" and not head.startswith(b"PK"):
            with safe_open(path, framework="pt") as opened:
                names = list(opened.keys())
                return WeightFile({name: opened.get_tensor(name) for name in names}, opened.metadata() or {})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise UserError(
            f"checkpoint '{path}' is damaged or holds more than weights, which would run code when loaded, and is "
            "refused; save its state_dict alone"
        ) from error
    except Exception as error:  # on damaged bytes the readers raise nearly anything
        if "TorchScript" in str(error):
            sentence = "is a TorchScript program, which is refused; save its state_dict alone"
        else:
            sentence = "is damaged or cut short; fetch it again"
        raise UserError(f"checkpoint '{path}' {sentence}") from error
    return WeightFile(_weights(loaded, path))


def _weights(loaded: Any, path: Path) -> dict[str, Tensor]:
    """The state dict in what a training loop saved, without the prefix that parallel training adds."""
    for name in _NESTED:
        if isinstance(loaded, dict) and isinstance(loaded.get(name), dict):
            loaded = loaded[name]
            break
    if not isinstance(loaded, dict) or not loaded or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise UserError(f"checkpoint '{path}' holds no state_dict of weights")
    if all(name.startswith("module.") for name in loaded):
        return {name.removeprefix("module."): value for name, value in loaded.items()}
    return dict(loaded)
