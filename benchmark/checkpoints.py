"""Weights from open_clip's tags and from files.

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
from torch import Tensor, nn

from benchmark import hub
from benchmark.architectures import ModelSpec
from benchmark.errors import ClipdefenseError, UserError, did_you_mean
from benchmark.files import malformed
from benchmark.models import Clip
from benchmark.tokenizers import require_text_files
from benchmark.weight_files import WeightFile, read_weights

QUICK_GELU_SUFFIX = "-quickgelu"
_OPENAI_ONLY = ("input_resolution", "context_length", "vocab_size")
_NAMED = 3


def load_model(spec: ModelSpec, device: torch.device) -> Clip:
    """The model of a specification with its trained weights in single precision, in evaluation mode.

    Raises:
        UserError: no such architecture or tag, no network, or a file that holds no weights of this architecture.
        ClipdefenseError: the specification names no weights, or they cannot be fetched or loaded.
    """
    known_spec(spec)
    if spec.checkpoint is not None:
        module = _from_file(spec, Path(spec.checkpoint))
    elif spec.tag is not None:
        module = _from_tag(spec, spec.tag)
    else:
        raise ClipdefenseError(f"model '{spec.name}' has no weights to load; it is trained from scratch")
    return Clip(spec, module.float().eval()).to(device)


def known_spec(spec: ModelSpec) -> ModelSpec:
    """The specification itself, where its architecture and tag exist.

    Raises:
        UserError: open_clip knows no such architecture, or no such tag of it.
    """
    if spec.tag is not None and not open_clip.get_pretrained_cfg(spec.architecture, spec.tag):
        tags = open_clip.list_pretrained_tags_by_model(spec.architecture)
        models = [f"{name}/{found}" for name, found in open_clip.list_pretrained()]
        near = did_you_mean(spec.tag, tags) if tags else did_you_mean(spec.name, models)
        raise UserError(f"model '{spec.name}': open_clip has no weights '{spec.tag}' for '{spec.architecture}'; {near}")
    if not spec.config and spec.architecture not in open_clip.list_models():
        near = did_you_mean(spec.architecture, open_clip.list_models())
        raise UserError(f"model '{spec.name}': open_clip has no architecture '{spec.architecture}'; {near}")
    return spec


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
    """The architecture with fresh weights, for those that are about to be loaded, or for what needs none."""
    known_spec(spec)
    if not spec.config:
        require_text_files(spec.architecture)
    with torch.random.fork_rng(devices=[]), _quiet():
        if spec.config:
            return open_clip.CLIP(**{**copy.deepcopy(spec.config), "quick_gelu": options["quick_gelu"]})
        try:
            return open_clip.create_model(spec.architecture, pretrained=None, pretrained_text=False, **options)
        except (ImportError, RuntimeError, OSError) as error:
            raise ClipdefenseError(f"model '{spec.name}' cannot be built: {str(error).splitlines()[0]}") from error


def _from_tag(spec: ModelSpec, tag: str) -> Any:
    known = open_clip.get_pretrained_cfg(spec.architecture, tag)
    file = _tag_file(spec, known["hf_hub"])
    normalisation = {name: known[name] for name in ("mean", "std") if name in known}
    quick_gelu = bool(known.get("quick_gelu")) or _configured(spec)
    module = built(spec, quick_gelu=quick_gelu, force_preprocess_cfg=normalisation)
    try:
        load_checkpoint(module, str(file), strict=True, weights_only=True)
    except Exception as error:
        wrong = malformed(file) or f"cannot be loaded: {str(error).splitlines()[0]}"
        raise ClipdefenseError(f"model '{spec.name}': its file '{file}' {wrong}; delete that one first") from error
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
    _same_architecture(spec, path, file)
    options: dict[str, Any] = {"quick_gelu": _quick_gelu(spec, path, file)}
    if "normalisation" in file.recorded:
        options["force_preprocess_cfg"] = json.loads(file.recorded["normalisation"])
    module = built(spec, **options)
    _put(module, file.weights, spec, path)
    return module


def _same_architecture(spec: ModelSpec, path: Path, file: WeightFile) -> None:
    recorded = file.recorded.get("architecture", "")
    if recorded and recorded.removesuffix(QUICK_GELU_SUFFIX) != spec.architecture.removesuffix(QUICK_GELU_SUFFIX):
        raise UserError(f"checkpoint '{path}' is of a '{recorded}', not of a '{spec.architecture}'; name that instead")


def load_onto(ancestor: Clip, path: Path) -> Clip:
    """The weights of a file in a copy of the model that they descend from, with its activation and normalisation.

    Raises:
        UserError: the file holds no weights of this architecture, or records another activation or normalisation.
    """
    file = read_weights(path)
    _same_architecture(ancestor.spec, path, file)
    if _told_quick_gelu(file) not in (None, ancestor.quick_gelu):
        raise UserError(f"checkpoint '{path}' has another activation than '{ancestor.spec.name}'; name its ancestor")
    if "normalisation" in file.recorded and json.loads(file.recorded["normalisation"]) != ancestor.normalisation:
        raise UserError(f"checkpoint '{path}' has another normalisation than '{ancestor.spec.name}'; name its ancestor")
    descendant = ancestor.clone()
    _put(descendant.module, file.weights, ancestor.spec, path)
    descendant.module.eval()
    return descendant


def _told_quick_gelu(file: WeightFile) -> bool | None:
    """What a file tells of its activation: what it records, or keys that only OpenAI's files have; None for nothing."""
    if "quick_gelu" in file.recorded:
        return file.recorded["quick_gelu"] == "true"
    return True if any(name in file.weights for name in _OPENAI_ONLY) else None


def _quick_gelu(spec: ModelSpec, path: Path, file: WeightFile) -> bool:
    if (told := _told_quick_gelu(file)) is not None:
        return told
    if not _configured(spec) and f"{spec.architecture}{QUICK_GELU_SUFFIX}" in open_clip.list_models():
        message = (
            f"checkpoint '{path}' does not say which activation it was trained with, taken is GELU; for weights that "
            f"descend from OpenAI's write {spec.architecture}{QUICK_GELU_SUFFIX}@{path}"
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
    if broken := [name for name, value in weights.items() if not torch.isfinite(value).all()]:
        raise UserError(f"checkpoint '{path}' holds numbers that are not finite ({_some(broken)}); take another epoch")
    module.load_state_dict(weights, strict=True)


def _some(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
