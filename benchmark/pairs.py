"""Several sets of pairs as one, without copying images that stay on disk."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmark.types import ImageSource, Pairs


@dataclass(frozen=True)
class Chained:
    """Image sources one after the other."""

    parts: tuple[ImageSource, ...]

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    def __getitem__(self, rows: Tensor, /) -> Tensor:
        start, found, places = 0, [], []
        for part in self.parts:
            mine = ((rows >= start) & (rows < start + len(part))).nonzero().flatten()
            if len(mine):
                found.append(part[rows[mine] - start])
                places.append(mine)
            start += len(part)
        return torch.cat(found)[torch.cat(places).argsort()]


def concatenated(first: Pairs, *others: Pairs) -> Pairs:
    """All pairs in order. Labels survive where all have them and mean the same classes."""
    parts = (first, *others)
    labels = None
    if all(part.labels is not None and part.class_names == first.class_names for part in parts):
        labels = torch.cat([part.labels for part in parts if part.labels is not None])
    sources = tuple(part.images for part in parts)
    tensors = [source for source in sources if isinstance(source, Tensor)]
    return replace(
        first,
        images=torch.cat(tensors) if len(tensors) == len(sources) else Chained(sources),
        captions=tuple(caption for part in parts for caption in part.captions),
        labels=labels,
        ids=torch.cat([part.ids for part in parts]),
    )
