"""What a data set is: class names, zero-shot templates, and pairs for each of the benchmark's splits."""

from __future__ import annotations

from typing import Literal, Protocol, get_args

from benchmark.types import Pairs

Split = Literal["train", "defender", "validation", "test"]
SPLITS: tuple[str, ...] = get_args(Split)

GENERIC_TEMPLATES = ("a photo of a {}", "a picture of a {}", "an image of a {}")


class Dataset(Protocol):
    """A plugin of the group ``clipdefense.datasets``; a frozen dataclass like the others.

    The four splits are disjoint: ``train`` makes models and victims, ``defender`` is what defenses are given,
    ``validation`` picks points, ``test`` is only ever measured on.
    """

    @property
    def name(self) -> str: ...

    @property
    def class_names(self) -> tuple[str, ...]: ...

    @property
    def templates(self) -> tuple[str, ...]: ...

    def load(self, split: Split, count: int | None, image_size: int) -> Pairs:
        """The first ``count`` pairs of a split (all of them with None), labelled, at ``image_size`` pixels.

        Raises:
            UserError: the split holds fewer than ``count`` pairs, or a file is missing or unreadable.
        """
