"""What must not change: the state of a model, of granted resources, and of the global random generators."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.models import Clip
from benchmark.pixels import all_images
from benchmark.types import Pairs

State = dict[str, str]
"""Name of a part -> a digest of it."""


def _digest(tensor: Tensor) -> str:
    flat = tensor.detach().cpu().contiguous().flatten()
    data = flat.view(torch.uint8).numpy().data if flat.numel() else b""
    return f"{tensor.dtype} {tuple(tensor.shape)} {hashlib.sha256(data).hexdigest()}"


def _text_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def model_state(model: Clip) -> State:
    """Weights, buffers, flags, gradients and hooks of a model, to the last bit."""
    state = {}
    for name, parameter in model.module.named_parameters():
        flags = f"requires_grad={parameter.requires_grad} gradient={parameter.grad is not None}"
        state[name] = f"{_digest(parameter)} {flags}"
    for name, buffer in model.module.named_buffers():
        state[name] = _digest(buffer)
    for name, module in model.module.named_modules():
        hooks = len(module._forward_hooks) + len(module._forward_pre_hooks) + len(module._backward_hooks)
        state[f"the layer '{name}'"] = f"{type(module).__qualname__} training={module.training} hooks={hooks}"
    return state


def pairs_state(pairs: Pairs) -> State:
    """Images, captions, labels and ids."""
    return {
        "images": _digest(all_images(pairs.images)),
        "captions": _text_digest("\x1f".join(pairs.captions)),
        "labels": "none" if pairs.labels is None else _digest(pairs.labels),
        "ids": _digest(pairs.ids),
    }


def resources_state(resources: Mapping[str, Any]) -> State:
    """Everything mutable among granted resources: pairs, images and models."""
    state: State = {}
    for name, resource in resources.items():
        for number, item in enumerate(resource if isinstance(resource, tuple) else (resource,)):
            if isinstance(item, Pairs):
                parts = pairs_state(item)
            elif isinstance(item, Clip):
                parts = model_state(item)
            else:
                parts = {"images": _digest(item)} if isinstance(item, Tensor) else {}
            state |= {f"{name}[{number}].{part}": digest for part, digest in parts.items()}
    return state


def changes(before: State, after: State) -> str:
    """The names of what differs, at most three of them, or an empty text."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def generators_state() -> State:
    """The global generators of torch, NumPy and Python."""
    return {
        "torch's generator": _digest(torch.get_rng_state()),
        "NumPy's generator": _text_digest(repr(np.random.get_state(legacy=False))),
        "Python's generator": _text_digest(repr(random.getstate())),
    }


@contextmanager
def generators_seeded(seed: int) -> Iterator[None]:
    """The global generators at a seed inside the block and as they were after it."""
    kept = torch.get_rng_state(), np.random.get_state(), random.getstate()
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(kept[0])
        np.random.set_state(kept[1])
        random.setstate(kept[2])
