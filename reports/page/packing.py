"""Columns of a frame as compact JSON: rates in ten thousandths, repeated texts by number."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

Json = dict[str, Any]
Number = float | int | None


def rates(values: ArrayLike, decimals: int = 0) -> list[Number]:
    """Rates in [0, 1], or their differences, in ten thousandths; None for NaN and None.

    Args:
        decimals: of a ten thousandth; with none, what is shown in tenths of a percent was rounded twice.
    """
    found = 1e4 * np.asarray(values, dtype=np.float64)
    known = np.isfinite(found)
    rounded = np.round(np.where(known, found, 0), decimals)
    rounded = rounded if decimals else rounded.astype(np.int64)
    return [value if k else None for value, k in zip(rounded.tolist(), known.tolist(), strict=True)]


def numbers(values: Iterable[Any], digits: int = 5) -> list[Number]:
    """Numbers with so many significant digits, whole ones in full; None for what is not finite."""
    found = np.asarray(list(values), dtype=np.float64)
    return [_short(value, digits) if k else None for value, k in zip(found.tolist(), np.isfinite(found), strict=True)]


def _short(value: float, digits: int) -> float | int:
    return int(value) if value.is_integer() and abs(value) < 1e15 else float(f"{value:.{digits}g}")


def coded(values: pd.Series[Any], order: Callable[[str], Any] = str) -> Json:
    """Texts as sorted ``levels``, and per row the number of its level; an absent one is the empty text."""
    texts = values.astype(object).fillna("").astype(str)
    levels = sorted(texts.unique(), key=order)
    return {"levels": levels, "codes": pd.Categorical(texts, categories=levels).codes.tolist()}
