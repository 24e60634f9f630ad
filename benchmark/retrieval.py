"""Retrieval between images and texts: the share of queries with a right answer among the k nearest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.errors import Diverged
from benchmark.models import ENCODE_BATCH, Clip
from benchmark.pixels import to_float
from benchmark.results import Recall
from benchmark.training import autocast
from benchmark.types import ImageSource, Pairs

KS = (1, 5, 10)
_BLOCK = 512


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Images with the texts that belong to them, ready to be put to many models.

    Attributes:
        dataset: where they come from.
        images: N of them.
        texts: T different ones; images whose texts are equal share one, and finding either image is right.
        belongs: (M, 2) int64, an image and a text that belong together in each row.
    """

    dataset: str
    images: ImageSource
    texts: tuple[str, ...]
    belongs: Tensor

    @classmethod
    def of(cls, pairs: Pairs) -> Gallery:
        """Every line of a caption is one text of its image."""
        numbers: dict[str, int] = {}
        belongs = {
            (image, numbers.setdefault(text, len(numbers)))
            for image, caption in enumerate(pairs.captions)
            for text in caption.split("\n")
        }
        return cls(
            dataset=pairs.dataset,
            images=pairs.images,
            texts=tuple(numbers),
            belongs=torch.tensor(sorted(belongs), dtype=torch.long),
        )


@torch.inference_mode()
def recall(model: Clip, gallery: Gallery, precision: str = "float32") -> Recall:
    """R@1, R@5 and R@10 in both directions; memory is bounded by the embeddings and one block of similarities.

    Raises:
        Diverged: an embedding is not finite.
    """
    with autocast(model.device, precision):
        texts = model.encode_texts(gallery.texts).float()
    images = torch.cat(list(_embedded(model, gallery.images, precision)))
    if not (torch.isfinite(images).all() and torch.isfinite(texts).all()):
        raise Diverged("the model returns embeddings that are not finite; the defense destroyed it")
    belongs = gallery.belongs.to(model.device)
    return Recall(
        dataset=gallery.dataset,
        images=len(images),
        texts=len(texts),
        image_to_text=_recalls(images, texts, belongs),
        text_to_image=_recalls(texts, images, belongs.flip(1)),
    )


def _embedded(model: Clip, images: ImageSource, precision: str) -> Iterator[Tensor]:
    model.module.eval()
    for rows in torch.arange(len(images)).split(ENCODE_BATCH):
        with autocast(model.device, precision):
            found = model.encode_images(to_float(images[rows], model.device))
        yield found.float()


def _recalls(queries: Tensor, answers: Tensor, belongs: Tensor) -> tuple[float, float, float]:
    """R@k of unit-norm queries (Q, D) among answers (A, D), the rows of ``belongs`` being (query, answer)."""
    ranks = torch.cat([_ranks(queries, answers, belongs, start) for start in range(0, len(queries), _BLOCK)])
    one, five, ten = (float((ranks < k).float().mean()) for k in KS)
    return one, five, ten


def _ranks(queries: Tensor, answers: Tensor, belongs: Tensor, start: int) -> Tensor:
    """How many wrong answers are at least as near as the nearest right one, for a block of queries.

    Ties count against the model, so that one that answers everything alike finds nothing.
    """
    similarity = queries[start : start + _BLOCK] @ answers.T
    right = torch.zeros_like(similarity, dtype=torch.bool)
    mine = belongs[(belongs[:, 0] >= start) & (belongs[:, 0] < start + _BLOCK)]
    right[mine[:, 0] - start, mine[:, 1]] = True
    best = similarity.masked_fill(~right, -torch.inf).amax(dim=1, keepdim=True)
    return ((similarity >= best) & ~right).sum(dim=1)
