"""Weights from open_clip's tags and from files, and back into files that plain open_clip reads.

OpenAI's weights were trained with QuickGELU. Which activation a model has is taken from the tag, from what a file of
ours records, from the keys that only OpenAI's own files have, or from an architecture's name that ends in
``-quickgelu``, in this order.
"""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME
from open_clip.convert import convert_state_dict
from open_clip.factory import load_checkpoint
from open_clip.model import convert_to_custom_text_state_dict
from open_clip.transformer import QuickGELU
from safetensors.torch import save_file
from torch import Tensor, nn

from benchmark import hub
from benchmark.architectures import ModelSpec
from benchmark.errors import ClipdefenseError, UserError, did_you_mean
from benchmark.files import malformed, replacing
from benchmark.models import Clip
from benchmark.weight_files import WeightFile, read_weights

_SUFFIX = "-quickgelu"
_OPENAI_ONLY = ("input_resolution", "context_length", "vocab_size")
_NAMED = 3


def load_model(spec: ModelSpec, device: torch.device) -> Clip:
    """The model of a specification with its trained weights in single precision, in evaluation mode.

    Raises:
        UserError: no such architecture or tag, no network, or a file that holds no weights of this architecture.
        ClipdefenseError: the specification names no weights, or they cannot be fetched or loaded.
    """
    if spec.checkpoint is not None:
        module = _from_file(spec, Path(spec.checkpoint))
    elif spec.tag is not None:
        module = _from_tag(spec, spec.tag)
    else:
        raise ClipdefenseError(f"model '{spec.name}' has no weights to load; it is trained from scratch")
    return Clip(spec, module.float().eval()).to(device)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps open_clip's remarks to the root logger away from the screen."""
    root, mute = logging.getLogger(), logging.NullHandler()

    def silent(_record: logging.LogRecord) -> bool:
        return False

    root.addHandler(mute)
    root.addFilter(silent)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.removeFilter(silent)
        root.removeHandler(mute)


def built(spec: ModelSpec, **options: Any) -> Any:
    """The architecture with fresh weights, which are about to be replaced."""
    if not spec.config and spec.architecture not in open_clip.list_models():
        near = did_you_mean(spec.architecture, open_clip.list_models())
        raise UserError(f"model '{spec.name}': open_clip has no architecture '{spec.architecture}'; {near}")
    with torch.random.fork_rng(devices=[]), _quiet():
        if spec.config:
            return open_clip.CLIP(**{**copy.deepcopy(spec.config), "quick_gelu": options["quick_gelu"]})
        try:
            return open_clip.create_model(spec.architecture, pretrained=None, pretrained_text=False, **options)
        except (ImportError, RuntimeError, OSError) as error:
            raise ClipdefenseError(f"model '{spec.name}' cannot be built: {str(error).splitlines()[0]}") from error


def _from_tag(spec: ModelSpec, tag: str) -> Any:
    known = open_clip.get_pretrained_cfg(spec.architecture, tag)
    if not known:
        tags = open_clip.list_pretrained_tags_by_model(spec.architecture)
        models = [f"{name}/{found}" for name, found in open_clip.list_pretrained()]
        near = did_you_mean(tag, tags) if tags else did_you_mean(spec.name, models)
        raise UserError(f"model '{spec.name}': open_clip has no weights '{tag}' for '{spec.architecture}'; {near}")
    file = _tag_file(spec, known["hf_hub"])
    normalisation = {name: known[name] for name in ("mean", "std") if name in known}
    quick_gelu = bool(known.get("quick_gelu")) or _configured(spec)
    module = built(spec, quick_gelu=quick_gelu, force_preprocess_cfg=normalisation)
    try:
        load_checkpoint(module, str(file), strict=True, weights_only=True)
    except Exception as error:
        wrong = malformed(file) or f"cannot be loaded: {str(error).splitlines()[0]}"
        raise ClipdefenseError(f"the weights of model '{spec.name}' in '{file}' {wrong}") from error
    return module


def _tag_file(spec: ModelSpec, location: str) -> Path:
    """Where the weights of a tag lie in the hub's local cache, downloaded if need be; safetensors are preferred."""
    from huggingface_hub.errors import EntryNotFoundError

    repository, _, named = location.rpartition("/")
    plain = named or HF_WEIGHTS_NAME
    safe = [HF_SAFE_WEIGHTS_NAME] if plain == HF_WEIGHTS_NAME else []
    if plain.endswith((".bin", ".pth")):
        safe.append(plain[:-4] + ".safetensors")
    names = [*safe, plain]
    for name in names:
        if (found := hub.cached("model", repository, name)) is not None:
            return found
    for name in names:
        try:
            return hub.fetch("model", repository, [name], f"model '{spec.name}'")[0]
        except EntryNotFoundError:
            continue
    raise ClipdefenseError(f"model '{spec.name}': '{repository}' on {hub.endpoint()} has none of {', '.join(names)}")


def _from_file(spec: ModelSpec, path: Path) -> Any:
    file = read_weights(path)
    recorded = file.recorded.get("architecture", "")
    if recorded and recorded.removesuffix(_SUFFIX) != spec.architecture.removesuffix(_SUFFIX):
        raise UserError(f"checkpoint '{path}' is of a '{recorded}', not of a '{spec.architecture}'; name that instead")
    options: dict[str, Any] = {"quick_gelu": _quick_gelu(spec, path, file)}
    if "normalisation" in file.recorded:
        options["force_preprocess_cfg"] = json.loads(file.recorded["normalisation"])
    module = built(spec, **options)
    _put(module, file.weights, spec, path)
    return module


def _quick_gelu(spec: ModelSpec, path: Path, file: WeightFile) -> bool:
    if "quick_gelu" in file.recorded:
        return file.recorded["quick_gelu"] == "true"
    if any(name in file.weights for name in _OPENAI_ONLY):
        return True
    if not _configured(spec) and f"{spec.architecture}{_SUFFIX}" in open_clip.list_models():
        message = (
            f"checkpoint '{path}' does not say which activation it was trained with, taken is GELU; for weights that "
            f"descend from OpenAI's write {spec.architecture}{_SUFFIX}@{path}"
        )
        warnings.warn(message, stacklevel=4)
    return _configured(spec)


def _configured(spec: ModelSpec) -> bool:
    """Whether the architecture's own configuration asks for QuickGELU."""
    config = spec.config or open_clip.get_model_config(spec.architecture) or {}
    return bool(config.get("quick_gelu"))


def _put(module: nn.Module, weights: dict[str, Tensor], spec: ModelSpec, path: Path) -> None:
    """Loads the weights, every one of them in its place and shape.

    Raises:
        UserError: they are those of another architecture.
    """
    weights = {name: value for name, value in weights.items() if name not in _OPENAI_ONLY}
    weights = convert_state_dict(module, weights)
    expected = module.state_dict()
    if "positional_embedding" in weights and "positional_embedding" not in expected:
        weights = convert_to_custom_text_state_dict(weights)
    for name in ("logit_scale", "logit_bias"):
        if name in weights and name in expected and weights[name].numel() == 1:
            weights[name] = weights[name].reshape(expected[name].shape)
    weights.pop("text.transformer.embeddings.position_ids", None)
    found = {
        "missing": [name for name in expected if name not in weights],
        "unexpected": [name for name in weights if name not in expected],
        "of another shape": [n for n, value in weights.items() if n in expected and value.shape != expected[n].shape],
    }
    said = [f"{len(names)} {kind} ({_some(names)})" for kind, names in found.items() if names]
    if said:
        raise UserError(f"checkpoint '{path}' does not fit '{spec.architecture}': {'; '.join(said)}")
    module.load_state_dict(weights, strict=True)


def _some(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")


def save_safetensors(model: Clip, path: Path) -> None:
    """Writes the weights, all or nothing, so that ``open_clip.create_model(ARCHITECTURE, pretrained=path)`` reads them.

    ARCHITECTURE is the one that the file records beside the activation and the normalisation; buffers are kept.

    Raises:
        UserError: the model has adapters, which plain open_clip cannot represent, or the folder cannot be written.
        StorageError: the disk is full.
    """
    if adapters := tuple(getattr(model, "adapters", ())):
        kinds = ", ".join(sorted({type(adapter).__name__ for adapter in adapters}))
        raise UserError(f"model '{model.spec.name}' has adapters ({kinds}), which plain open_clip cannot represent")
    quick_gelu = any(isinstance(part, QuickGELU) for part in model.module.modules())
    visual = model.module.visual
    recorded = {"format": "pt", "architecture": _named(model.spec, quick_gelu), "quick_gelu": str(quick_gelu).lower()}
    if getattr(visual, "image_mean", None) and getattr(visual, "image_std", None):
        recorded["normalisation"] = json.dumps({"mean": list(visual.image_mean), "std": list(visual.image_std)})
    dense = torch.contiguous_format
    weights = {name: value.cpu().clone(memory_format=dense) for name, value in model.weights().items()}
    with replacing(path) as temporary:
        save_file(weights, temporary, metadata=recorded)


def _named(spec: ModelSpec, quick_gelu: bool) -> str:
    """The architecture under the name by which open_clip builds it with this activation."""
    base = spec.architecture.removesuffix(_SUFFIX)
    other = f"{base}{_SUFFIX}"
    return other if quick_gelu and other in open_clip.list_models() else base
