"""The identity of a text tower: what its embeddings of given tokens depend on, as one short text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark.fingerprint import digest

_WIDTH = 4096
_WHOLE_NUMBERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_ELSEWHERE = ("visual", "logit_scale", "logit_bias")


def _multipliers(device: torch.device) -> Tensor:
    """Odd numbers (4096,) int64, always the same."""
    drawn = torch.randint(2**62, (_WIDTH,), generator=torch.Generator().manual_seed(0))
    return (2 * drawn + 1).to(device)


def checksum(values: Tensor, multipliers: Tensor) -> Tensor:
    """The bits of a tensor as one number (1,) int64, computed where the tensor is, so that nothing large travels.

    Sums of products with random odd numbers modulo 2^64, in a tree: one changed element always changes the result, two
    different tensors share one with a probability of about 2^-31 at most (multilinear hashing, arXiv 1202.4961).
    """
    flat = values.detach().reshape(-1)
    numbers = flat.view(_WHOLE_NUMBERS[flat.element_size()])
    while True:
        padded = functional.pad(numbers, (0, -len(numbers) % _WIDTH))
        numbers = (padded.view(-1, _WIDTH) * multipliers).sum(dim=1)
        if len(numbers) == 1:
            return numbers


def _parts(module: nn.Module) -> list[tuple[str, nn.Module]]:
    return [(name, child) for name, child in module.named_children() if name not in _ELSEWHERE]


def _tensors(module: nn.Module, used: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Weights and buffers of the text tower; of the token embedding the ``used`` rows only."""
    for tensors in (module.named_parameters(), module.named_buffers()):
        for name, value in tensors:
            if name.partition(".")[0] in _ELSEWHERE or not value.numel():
                continue
            yield name, value[used.to(value.device)] if name.endswith("token_embedding.weight") else value


def hooked(module: nn.Module) -> bool:
    """Whether something listens in on the text tower, so that its weights do not tell what it returns."""
    inside = (part for _, child in _parts(module) for part in child.modules())
    return any(part._forward_hooks or part._forward_pre_hooks for part in inside)


@torch.no_grad()
def identity(module: nn.Module, tokens: Tensor, *circumstances: Any) -> str:
    """What the embeddings of tokens (N, L) by this text tower depend on.

    The tokens themselves, the kinds of layers, all weights and buffers that these tokens touch, where the tower lives,
    and whatever ``circumstances`` adds.
    """
    used = torch.bincount(tokens.flatten()).nonzero().flatten()
    found = list(_tensors(module, used))
    device = found[0][1].device
    multipliers = _multipliers(device)
    sums = torch.cat([checksum(value, multipliers) for _, value in found]).tolist()
    about = [(name, tuple(value.shape), str(value.dtype)) for name, value in found]
    layers = [(name, repr(child)) for name, child in _parts(module)]
    text = int(checksum(tokens, _multipliers(tokens.device)))
    return digest([about, sums, layers, text, tuple(tokens.shape), str(device), *circumstances])
