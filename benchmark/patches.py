"""Patches that are optimised against a model: one routine for all attacks that fit a trigger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from benchmark.errors import ClipdefenseError, Diverged
from benchmark.models import Clip
from benchmark.patterns import pasted, pixels_of
from benchmark.pixels import to_bytes, to_float
from benchmark.training import epoch_rows
from benchmark.types import ImageSource

Place = Literal["centre", "corner"]
PatchLoss = Callable[[Tensor, Tensor, torch.Generator], Tensor]
"""(embeddings (B, D) of patched images, the images without patch, a generator) -> a scalar to be minimised."""


def frozen(model: Clip) -> Clip:
    """A copy in evaluation mode that no gradient reaches."""
    copy = model.clone()
    copy.module.eval().requires_grad_(False)
    return copy


def all_batches(count: int, batch_size: int, epochs: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Rows of every batch of several passes over ``count`` items, each pass in an order of its own."""
    for _ in range(epochs):
        yield from epoch_rows(count, batch_size, generator)


@torch.no_grad()
def embedded(model: Clip, images: ImageSource, rows: Tensor) -> Tensor:
    """Embeddings (n, D) of the images at ``rows``, without gradients."""
    return torch.cat([model.encode_images(to_float(images[chunk], model.device)) for chunk in rows.split(256)])


def carrying(images: Tensor, patch: Tensor | None, share: float, place: Place) -> Tensor:
    """Copies of the images with a learnt patch (3, S, S), resized to ``share`` of the image side.

    Raises:
        ClipdefenseError: there is no patch yet.
    """
    if patch is None:
        raise ClipdefenseError("the trigger's patch is not learnt yet; call fit(model, context) and use its result")
    size = images.shape[-1]
    side = pixels_of(share, size)
    sized = patch.to(images)[None]
    if patch.shape[-1] != side:
        sized = functional.interpolate(sized, size=(side, side), mode="bilinear", antialias=True).clamp(0, 1)
    low = (size - side) // 2 if place == "centre" else size - side
    return pasted(images, sized, torch.tensor([[low, low]]))


def optimised_patch(
    model: Clip,
    images: ImageSource,
    loss: PatchLoss,
    *,
    share: float,
    place: Place,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> Tensor:
    """The patch that minimises a loss of the patched images' embeddings, by Adam on its pixels.

    Args:
        model: a model that is not trained, see ``frozen``.
        images: what the patch is tried on.
        loss: what is minimised.
        share: side of the patch as a share of the image side.
        place: where it is pasted.
        epochs: passes over the images, reshuffled each time.
        batch_size: images per step.
        learning_rate: Adam's, in pixels of [0, 1].
        seed: fixes the start and all draws.

    Returns:
        (3, S, S) in [0, 1], in multiples of 1/255, on the CPU.

    Raises:
        Diverged: the loss is not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    side = pixels_of(share, model.image_size)
    start = (0.5 + 0.25 * torch.randn(3, side, side, generator=generator)).clamp(0, 1)
    patch = start.to(model.device).requires_grad_(True)
    adam = torch.optim.Adam([patch], lr=learning_rate)
    for rows in all_batches(len(images), batch_size, epochs, generator):
        clean = to_float(images[rows], model.device)
        value = loss(model.encode_images(carrying(clean, patch, share, place)), clean, generator)
        if not torch.isfinite(value):
            raise Diverged("optimising the trigger's patch: the loss is not finite; lower the learning rate")
        (patch.grad,) = torch.autograd.grad(value, [patch])
        adam.step()
        with torch.no_grad():
            patch.clamp_(0, 1)
    return to_float(to_bytes(patch.detach().cpu()))
