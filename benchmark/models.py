"""Clip: an open_clip model that lives in pixels in [0, 1] and in words; it owns normalisation and tokenisation."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import open_clip
import torch
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from open_clip.modified_resnet import ModifiedResNet
from open_clip.transformer import QuickGELU
from torch import Tensor, nn
from torch.nn import functional

from benchmark import text_towers
from benchmark.architectures import ModelSpec
from benchmark.fingerprint import digest
from benchmark.recent_tensors import RecentTensors
from benchmark.tokenizers import tokenizer

MAX_LOGIT_SCALE = 4.6052  # ln 100, the value that OpenAI's training clamps to
ENCODE_BATCH = 256
_TOKENS = RecentTensors(256 * 1024**2)
_CLASSIFIERS = RecentTensors(64 * 1024**2)


class Clip:
    """Two towers, a logit scale, and the specification they were built from.

    Images are float tensors (B, 3, S, S) in [0, 1] with S = ``image_size``; embeddings are (B, D) with unit norm.
    """

    def __init__(self, spec: ModelSpec, module: nn.Module) -> None:
        self.spec = spec
        self.module: Any = module
        visual = self.module.visual
        self._format = torch.contiguous_format
        if isinstance(visual, ModifiedResNet):
            self._format = torch.channels_last
            visual.to(memory_format=torch.channels_last)
        self._mean = torch.tensor(getattr(visual, "image_mean", None) or OPENAI_DATASET_MEAN).view(1, 3, 1, 1)
        self._std = torch.tensor(getattr(visual, "image_std", None) or OPENAI_DATASET_STD).view(1, 3, 1, 1)
        self.to(self.device)

    @classmethod
    def untrained(cls, spec: ModelSpec, seed: int) -> Clip:
        """Fresh weights of an embedded architecture, a function of ``seed`` alone."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(spec, open_clip.CLIP(**copy.deepcopy(spec.config)))

    @property
    def device(self) -> torch.device:
        device: torch.device = next(self.module.parameters()).device
        return device

    @property
    def image_size(self) -> int:
        size = self.module.visual.image_size
        return int(size[0] if isinstance(size, tuple | list) else size)

    @property
    def logit_scale(self) -> Tensor:
        """The inverse temperature s = exp(logit_scale), a scalar tensor."""
        scale: Tensor = self.module.logit_scale.exp()
        return scale

    @property
    def adapters(self) -> tuple[str, ...]:
        """Kinds of modules that were added to the architecture, by their ``adapter``; empty for a plain model."""
        kinds = (getattr(part, "adapter", None) for part in self.module.modules())
        return tuple(sorted({kind for kind in kinds if isinstance(kind, str)}))

    @property
    def quick_gelu(self) -> bool:
        """Whether its activation is OpenAI's."""
        return any(isinstance(part, QuickGELU) for part in self.module.modules())

    @property
    def normalisation(self) -> dict[str, list[float]] | None:
        """Mean and deviation per channel as the model itself says; None where OpenAI's are taken by default."""
        visual = self.module.visual
        if getattr(visual, "image_mean", None) and getattr(visual, "image_std", None):
            return {"mean": list(visual.image_mean), "std": list(visual.image_std)}
        return None

    def to(self, device: torch.device) -> Clip:
        """Moves the model in place."""
        self.module.to(device)
        self._mean, self._std = self._mean.to(device), self._std.to(device)
        return self

    def clone(self) -> Clip:
        """An independent copy on the same device, gradients dropped."""
        twin = copy.copy(self)
        with torch.no_grad():
            twin.module = copy.deepcopy(self.module)
        for parameter in twin.module.parameters():
            parameter.grad = None
        return twin

    def weights(self) -> dict[str, Tensor]:
        """Parameters and buffers by name, detached but not copied."""
        return {name: value.detach() for name, value in self.module.state_dict().items()}

    def with_weights(self, weights: Mapping[str, Tensor]) -> Clip:
        """A copy of this model in which the named weights are replaced; the others stay."""
        twin = self.clone()
        twin.module.load_state_dict({**twin.module.state_dict(), **weights})
        return twin

    def tokenize(self, texts: Iterable[str]) -> Tensor:
        """Texts -> tokens (B, L) int64 on the CPU; longer texts are cut. Texts seen lately are not read again."""
        architecture, length, listed = self.spec.architecture, int(self.module.context_length), list(texts)

        def tokens() -> Tensor:
            unique = {text: row for row, text in enumerate(dict.fromkeys(listed))}
            found = tokenizer(architecture, length)(list(unique))
            return found[torch.tensor([unique[text] for text in listed], dtype=torch.long)].int()

        return _TOKENS.get(digest([architecture, length, listed]), tokens).long()

    def image_features(self, pixels: Tensor) -> Tensor:
        """Pixels in [0, 1] -> image embeddings (B, D) before normalisation."""
        normalised = ((pixels - self._mean) / self._std).contiguous(memory_format=self._format)
        features: Tensor = self.module.encode_image(normalised)
        return features

    def encode_images(self, pixels: Tensor) -> Tensor:
        """Pixels in [0, 1] -> image embeddings (B, D) of unit norm."""
        return functional.normalize(self.image_features(pixels), dim=-1)

    def encode_tokens(self, tokens: Tensor) -> Tensor:
        """Tokens (B, L) -> text embeddings (B, D) of unit norm."""
        features: Tensor = self.module.encode_text(tokens)
        return functional.normalize(features, dim=-1)

    @torch.no_grad()
    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Texts -> text embeddings (B, D) of unit norm, without gradients, in batches."""
        return self._encode_all(self.tokenize(texts))

    def _encode_all(self, tokens: Tensor) -> Tensor:
        self.module.eval()
        return torch.cat([self.encode_tokens(chunk.to(self.device)) for chunk in tokens.split(ENCODE_BATCH)])

    def classifier(
        self,
        class_names: Sequence[str],
        templates: Sequence[str],
        prompt: Callable[[Sequence[str]], list[str]] | None = None,
    ) -> Tensor:
        """Zero-shot weights (C, D): the normalised mean over templates of each class's text embeddings.

        All texts go through the text tower together. A classifier that was built lately from the same texts by a tower
        with the same weights is handed out again, whichever model it belonged to.

        Args:
            class_names: the C classes.
            templates: texts with one ``{}`` for the class name.
            prompt: rewrites every text, for attacks with a trigger in the text.
        """
        texts = [template.format(name) for name in class_names for template in templates]
        tokens = self.tokenize(prompt(texts) if prompt else texts)
        self.module.eval()

        def build() -> Tensor:
            # a classifier that outlives this call must be usable where gradients are taken
            with torch.inference_mode(False), torch.no_grad():
                means = self._encode_all(tokens).view(len(class_names), len(templates), -1).mean(dim=1)
                return functional.normalize(means, dim=-1)

        if text_towers.hooked(self.module):
            return build()
        kind = self.device.type
        precision = (torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind))
        name = text_towers.identity(self.module, tokens, len(class_names), str(precision))
        return _CLASSIFIERS.get(name, build).clone()

    def trainable(self, part: str = "both") -> list[tuple[str, nn.Parameter]]:
        """Named parameters of one tower ("vision", "text") or of the whole model ("both", logit scale included)."""
        named = list(self.module.named_parameters())
        if part == "both":
            return named
        return [(name, p) for name, p in named if name.startswith("visual.") == (part == "vision") and p.ndim > 0]

    def clamp_logit_scale(self) -> None:
        with torch.no_grad():
            self.module.logit_scale.clamp_(0.0, MAX_LOGIT_SCALE)


def vision_kind(spec: ModelSpec) -> str:
    """ "resnet" for a ModifiedResNet, "vit" for everything with patches; from the configuration, without weights."""
    config = spec.config or open_clip.get_model_config(spec.architecture) or {}
    layers = config.get("vision_cfg", {}).get("layers")
    return "resnet" if isinstance(layers, list | tuple) else "vit"
