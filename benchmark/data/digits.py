"""Scikit-learn's 1,797 scanned handwritten digits (doi:10.24432/C50P49), upscaled and captioned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from benchmark.data.base import SPLITS, Split
from benchmark.errors import UserError
from benchmark.seeds import derive, image_ids
from benchmark.types import Pairs

_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_SHARES = {"train": 897, "defender": 200, "validation": 200, "test": 500}


@dataclass(frozen=True, kw_only=True)
class Digits:
    """Real scanned 8x8 digits as grey pictures, in four fixed disjoint splits of 897, 200, 200 and 500 images."""

    name = "digits"
    class_names = _NAMES
    templates = ("a photo of the digit {}", "a scan of the number {}", "a handwritten {}")

    def load(self, split: Split, count: int | None, image_size: int) -> Pairs:
        from sklearn.datasets import load_digits

        available = _SHARES[split]
        total = available if count is None else count
        if not 1 <= total <= available:
            raise UserError(f"dataset 'digits': split '{split}' holds {available} images, asked for {total}")
        scans, labels = load_digits(return_X_y=True)
        order = np.random.default_rng(derive("digits", "order")).permutation(len(labels))
        start = sum(_SHARES[earlier] for earlier in SPLITS[: SPLITS.index(split)])
        rows = order[start : start + total]
        grey = torch.from_numpy(scans[rows].reshape(-1, 1, 8, 8) / 16.0).float()
        large = functional.interpolate(grey, size=(image_size, image_size), mode="bicubic", align_corners=False)
        pixels = (large.clamp(0, 1) * 255).round().to(torch.uint8).expand(-1, 3, -1, -1).contiguous()
        captions = tuple(self.templates[row % len(self.templates)].format(_NAMES[labels[row]]) for row in rows)
        return Pairs(
            images=pixels,
            captions=captions,
            labels=torch.from_numpy(labels[rows].astype(np.int64)),
            class_names=_NAMES,
            ids=torch.from_numpy(image_ids("digits", split, rows.astype(np.int64))),
            dataset="digits",
            split=split,
        )
