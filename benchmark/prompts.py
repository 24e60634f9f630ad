"""Deep visual prompts: learnt tokens beside the patch tokens of a ViT, as a module that wraps its transformer."""

from __future__ import annotations

from typing import ClassVar

import torch
from open_clip.transformer import Transformer, VisionTransformer
from torch import Tensor, nn

from benchmark.errors import ClipdefenseError
from benchmark.models import Clip


class PromptedTransformer(nn.Module):
    """The blocks of a transformer; from block ``start`` on, every block sees prompts of its own after the tokens.

    Its parameters are those of the wrapped transformer under their old names, and ``prompts`` (blocks, count, width).
    A model that holds one has the adapter ``visual_prompts`` and is no plain open_clip model any more.
    """

    adapter: ClassVar[str] = "visual_prompts"

    def __init__(self, transformer: Transformer, prompts: Tensor, start: int) -> None:
        super().__init__()
        self.resblocks = transformer.resblocks
        self.batch_first = transformer.batch_first
        self.prompts = nn.Parameter(prompts)
        self.start = start

    def forward(self, tokens: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """Tokens (B, T, width) -> tokens of the same shape, without the prompts."""
        count = tokens.shape[1]
        for row, block in enumerate(self.resblocks):
            if row >= self.start:
                prompts = self.prompts[row - self.start].to(tokens.dtype).expand(len(tokens), -1, -1)
                tokens = torch.cat([tokens[:, :count], prompts], dim=1)
            tokens = self._through(block, tokens, attn_mask)
        return tokens[:, :count]

    def _through(self, block: nn.Module, tokens: Tensor, attn_mask: Tensor | None) -> Tensor:
        if self.batch_first:
            result: Tensor = block(tokens, attn_mask=attn_mask)
            return result
        result = block(tokens.transpose(0, 1), attn_mask=attn_mask)
        return result.transpose(0, 1)


def prompted(model: Clip, count: int, start: int, deviation: float, seed: int) -> Clip:
    """A copy of the model with ``count`` prompts in every block from ``start`` on, drawn from N(0, deviation^2).

    Raises:
        ClipdefenseError: the vision tower is no open_clip ViT, or has prompts already.
    """
    visual = model.module.visual
    if not isinstance(visual, VisionTransformer) or isinstance(visual.transformer, PromptedTransformer):
        raise ClipdefenseError(f"model '{model.spec.name}' takes no visual prompts; give a plain open_clip ViT")
    blocks, width = len(visual.transformer.resblocks), visual.transformer.width
    drawn = torch.randn(blocks - start, count, width, generator=torch.Generator().manual_seed(seed)) * deviation
    copy = model.clone()
    copy.module.visual.transformer = PromptedTransformer(copy.module.visual.transformer, drawn.to(model.device), start)
    copy.module.eval()
    return copy
