"""Images with texts and without classes: webdataset shards, or sets with a caption column (CC3M, COCO, your own)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmark.data.base import Split
from benchmark.data.collection import Collection
from benchmark.data.records import Columns
from benchmark.data.stored import Download, Stored
from benchmark.fingerprint import digest
from benchmark.progress import Progress
from benchmark.ranges import CountOrZero
from benchmark.seeds import image_ids
from benchmark.types import Pairs


@dataclass(frozen=True, kw_only=True)
class Captioned(Stored):
    """Images with captions: what CLIP models are trained on.

    Has no classes, so class_names_are_distinct and labels_are_classes cannot hold. The templates are OpenAI's 80 for
    ImageNet, from which poisoned captions are drawn (arXiv 2303.03323).

    Args:
        every_caption: gives all texts of an image, one a line, where the column holds lists: for retrieval.
    """

    caption_column: str = "caption"
    every_caption: bool = False

    class_names = ()
    contract_exceptions = ("class_names_are_distinct", "labels_are_classes")

    @property
    def templates(self) -> tuple[str, ...]:
        from open_clip import OPENAI_IMAGENET_TEMPLATES

        return tuple(template("{}") for template in OPENAI_IMAGENET_TEMPLATES)

    def _needs_caption(self) -> bool:
        return True

    def _columns(self) -> Columns:
        return replace(super()._columns(), every_caption=self.every_caption)

    def _key(self, collection: Collection, split: Split, image_size: int) -> str:
        key = super()._key(collection, split, image_size)
        return digest([key, "every caption"]) if self.every_caption else key

    def load(
        self,
        split: Split,
        count: int | None,
        image_size: int,
        *,
        cache: Path | None = None,
        progress: Progress | None = None,
    ) -> Pairs:
        """The first ``count`` pairs of a split (all of them with None) at ``image_size`` pixels, mapped from disk.

        Pairs whose image or text cannot be read are left out and counted in a warning.

        Args:
            split: one of the benchmark's four.
            count: how many pairs.
            image_size: side of the images in pixels.
            cache: where decoded images are kept; None for the folder ``data`` of the default store.
            progress: who shows downloads and decoding.

        Raises:
            UserError: the split holds fewer pairs, more than one in a hundred cannot be read, or a file is missing.
            StorageError: the disk is full.
        """
        entry = self._entry(split, count, image_size, cache, progress)
        return Pairs(
            images=entry.images,
            captions=entry.captions,
            labels=None,
            class_names=(),
            ids=torch.from_numpy(image_ids(self.name, split, entry.rows)),
            dataset=self.name,
            split=split,
        )


@dataclass(frozen=True, kw_only=True)
class ConceptualCaptions(Captioned):
    """CC3M (doi:10.18653/v1/P18-1238) as webdataset shards; 576 hold 2,905,954 pairs, the first 124 about 625,000.

    Has no classes, so class_names_are_distinct and labels_are_classes cannot hold.
    """

    path: str = "pixparse/cc3m-wds"
    test_split: str = "validation"
    shards: CountOrZero = 124

    name = "cc3m"
    download = Download(training=262e9, files=576, test=1.2e9)


@dataclass(frozen=True, kw_only=True)
class Coco(Captioned):
    """COCO captions (arXiv 1504.00325): 113,287 images with five texts each, of which one is taken.

    Has no classes, so class_names_are_distinct and labels_are_classes cannot hold.
    """

    path: str = "Multimodal-Fatima/COCO_captions_train"
    caption_column: str = "sentences_raw"

    name = "coco"
    download = Download(training=17e9, files=1, test=0.0)
