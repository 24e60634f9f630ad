"""Building blocks of losses that defenses share: class losses, triggered images, given gradients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark.losses import caption_targets, symmetric_cross_entropy, zero_shot_cross_entropy
from benchmark.models import Clip
from benchmark.pixels import to_bytes, to_float
from benchmark.poisoning import routes_of, stamp
from benchmark.types import Attack, Batch, Context, Loss


def class_loss(model: Clip, context: Context) -> Loss:
    """Cross-entropy over the zero-shot classes, with the classifier of ``model`` as it is now."""
    classifier = model.classifier(context.class_names, context.templates)

    def loss(student: Clip, batch: Batch) -> Tensor:
        assert batch.labels is not None
        return zero_shot_cross_entropy(student, batch.images, classifier, batch.labels)

    return loss


def class_logits(model: Clip, classifier: Tensor, images: Tensor) -> Tensor:
    """Zero-shot logits s * u . w_c (B, C) with a fixed classifier (C, D) and a temperature that is not learnt."""
    return model.logit_scale.detach() * model.encode_images(images) @ classifier.T


def shared_targets(model: Clip, tokens: Tensor) -> Tensor | None:
    """Targets (B, B) shared among equal captions where the model's recipe shares them, otherwise None."""
    return caption_targets(tokens) if model.spec.finetune.equal_captions == "soft" else None


def in_modal(anchors: Tensor, copies: Tensor, scale: Tensor, targets: Tensor | None = None) -> Tensor:
    """Cross-entropy over rows of s * anchors copies^T, embeddings (B, D) of unit norm (arXiv 2303.03323).

    Args:
        anchors: embeddings of the samples.
        copies: embeddings of their augmented copies.
        scale: inverse temperature.
        targets: row-stochastic (B, B); None matches row i with copy i alone.
    """
    logits = scale * anchors @ copies.T
    goal = torch.arange(len(logits), device=logits.device) if targets is None else targets
    return functional.cross_entropy(logits, goal)


def self_supervised(
    model: Clip, batch: Batch, copies: Tensor, rewritten: Tensor, clip_weight: float, in_modal_weight: float
) -> tuple[Tensor, Tensor, Tensor]:
    """CleanCLIP's loss: L_CLIP and the mean of the in-modal losses of images and texts (arXiv 2303.03323).

    Args:
        model: in training.
        batch: images with captions.
        copies: images (B, 3, S, S) that must stay near the batch's.
        rewritten: tokens (B, L) that must stay near the batch's.
        clip_weight: weight of the contrastive loss.
        in_modal_weight: weight of the mean of the two in-modal losses.

    Returns:
        The loss, and the embeddings of the copied images and of the rewritten captions.
    """
    images, image_copies = model.encode_images(torch.cat([batch.images, copies])).chunk(2)
    texts, text_copies = model.encode_tokens(torch.cat([batch.tokens, rewritten])).chunk(2)
    scale, shared = model.logit_scale, shared_targets(model, batch.tokens)
    clip = symmetric_cross_entropy(images, texts, scale, shared)
    within = in_modal(images, image_copies, scale) + in_modal(texts, text_copies, scale, shared)
    return clip_weight * clip + in_modal_weight * within / 2, image_copies, text_copies


@torch.no_grad()
def triggered(attack: Attack, images: Tensor, ids: Tensor) -> Tensor:
    """Float images (B, 3, H, W) with the trigger, quantised to 8 bit; several routes take turns."""
    routes, result = routes_of(attack), images.clone()
    for number, route in enumerate(routes[: len(images)]):
        mine = slice(number, None, len(routes))
        result[mine] = to_float(stamp(route, to_bytes(images[mine]), ids[mine]))
    return result


def with_gradients(value: Tensor, parameters: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> Tensor:
    """A scalar equal to ``value`` whose gradient with respect to each parameter is the given one."""
    known = [(p, g.detach()) for p, g in zip(parameters, gradients, strict=True) if g is not None]
    linear = torch.stack([(parameter * gradient).sum() for parameter, gradient in known]).sum()
    return value.detach() + linear - linear.detach()


def movable(model: Clip) -> list[nn.Parameter]:
    """The parameters that the running training moves."""
    return [parameter for parameter in model.module.parameters() if parameter.requires_grad]


@contextmanager
def evaluating(model: Clip) -> Iterator[None]:
    """Evaluation mode within the block; afterwards every submodule is in the mode it was in."""
    modes = [(module, module.training) for module in model.module.modules()]
    model.module.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def frozen(model: Clip) -> Clip:
    """A copy in evaluation mode whose weights take no gradient."""
    copy = model.clone()
    copy.module.eval().requires_grad_(False)
    return copy
