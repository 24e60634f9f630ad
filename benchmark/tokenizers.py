"""Tokenizers by architecture. Those of the Hugging Face hub are looked for before anything waits for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import open_clip
from torch import Tensor

from benchmark import hub
from benchmark.errors import UserError

Tokenizer = Callable[[list[str]], Tensor]
_FILES = {"hf_tokenizer_name": "tokenizer_config.json", "hf_model_name": "config.json"}


@lru_cache(maxsize=8)
def tokenizer(architecture: str, context_length: int) -> Tokenizer:
    """From texts to tokens (B, ``context_length``) int64; longer texts are cut.

    Raises:
        UserError: the architecture reads text with a tokenizer of the hub, which is not here.
    """
    if architecture.startswith("tiny-"):
        made: Any = open_clip.SimpleTokenizer(context_length=context_length)
    else:
        require_text_files(architecture)
        made = open_clip.get_tokenizer(architecture, context_length=context_length)
    return lambda texts: made(texts)


def require_text_files(architecture: str) -> None:
    """Fetches the first of the files with which an architecture of the hub reads text; nothing for all others.

    Raises:
        UserError: the package ``transformers`` is missing, or the files are neither in the local cache nor in reach.
    """
    settings = (open_clip.get_model_config(architecture) or {}).get("text_cfg", {})
    for setting, file in _FILES.items():
        if not (repository := settings.get(setting)):
            continue
        if find_spec("transformers") is None:
            raise UserError(
                f"model '{architecture}' reads text with the package transformers; install it beside this one"
            )
        hub.fetch("model", repository, [file], f"the text tower's '{file}' of model '{architecture}'")
