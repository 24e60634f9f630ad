"""One cell of a printed table, before any markup."""

from __future__ import annotations

import math
from dataclasses import dataclass

DASH = "-"


@dataclass(frozen=True)
class Entry:
    """Text with an optional bracket (an interval or a name beside a number) and emphasis."""

    text: str
    bracket: str = ""
    bold: bool = False


def number(value: object, decimals: int = 1) -> str:
    """A fixed-point number; a dash for None and NaN."""
    if not isinstance(value, int | float) or math.isnan(value):
        return DASH
    shown = f"{value:.{decimals}f}"
    return shown.removeprefix("-") if not shown.strip("-0.") else shown


def percent(rate: object, decimals: int = 1) -> str:
    """A rate in [0, 1] as percent; a dash for None and NaN."""
    return number(100 * rate, decimals) if isinstance(rate, int | float) else DASH


def interval(low: object, high: object, decimals: int = 1) -> str:
    """ "low, high" in percent, empty where there is none."""
    found = percent(low, decimals), percent(high, decimals)
    return "" if DASH in found else ", ".join(found)


def duration(seconds: object) -> str:
    """Seconds with a unit that keeps the number short; a dash for None and NaN."""
    if not isinstance(seconds, int | float) or math.isnan(seconds):
        return DASH
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def span(low: object, high: object) -> str:
    """ "2" or "1 to 3"; a dash where unknown."""
    found = number(low, 0), number(high, 0)
    if DASH in found:
        return DASH
    return found[0] if found[0] == found[1] else " to ".join(found)
