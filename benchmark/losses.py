"""Losses shared by attacks and defenses; each takes a model and a batch and returns a scalar tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Batch, Loss


def caption_targets(tokens: Tensor) -> Tensor:
    """Row-stochastic targets (B, B) that share each row's mass among the pairs with the same caption."""
    same = (tokens[:, None, :] == tokens[None, :, :]).all(dim=-1).float()
    return same / same.sum(dim=1, keepdim=True)


def symmetric_cross_entropy(images: Tensor, texts: Tensor, scale: Tensor, targets: Tensor | None = None) -> Tensor:
    """L_CLIP of embeddings (B, D): the mean of the image-to-text and text-to-image cross-entropies (arXiv 2103.00020).

    Args:
        images: image embeddings of unit norm.
        texts: text embeddings of unit norm, paired by row.
        scale: inverse temperature.
        targets: symmetric (B, B) row-stochastic targets; None pairs row i with row i alone.
    """
    logits = scale * images @ texts.T
    goal = torch.arange(len(logits), device=logits.device) if targets is None else targets
    return (functional.cross_entropy(logits, goal) + functional.cross_entropy(logits.T, goal)) / 2


def contrastive(model: Clip, batch: Batch) -> Tensor:
    """The textbook CLIP loss: pair i matches caption i and no other."""
    images, texts = model.encode_images(batch.images), model.encode_tokens(batch.tokens)
    return symmetric_cross_entropy(images, texts, model.logit_scale)


def contrastive_soft(model: Clip, batch: Batch) -> Tensor:
    """The CLIP loss with targets shared among equal captions, for data in which captions repeat within a batch."""
    images, texts = model.encode_images(batch.images), model.encode_tokens(batch.tokens)
    return symmetric_cross_entropy(images, texts, model.logit_scale, caption_targets(batch.tokens))


def model_loss(model: Clip) -> Loss:
    """The contrastive loss that the model's recipe names."""
    return contrastive_soft if model.spec.finetune.equal_captions == "soft" else contrastive


def zero_shot_cross_entropy(model: Clip, images: Tensor, classifier: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of s * u . w_c against labels (B,), with a fixed zero-shot classifier (C, D)."""
    logits = model.logit_scale.detach() * model.encode_images(images) @ classifier.T
    return functional.cross_entropy(logits, labels)
