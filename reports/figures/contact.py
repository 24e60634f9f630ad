"""The contact sheet: what each trigger looks like, clean, triggered, and the difference made visible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmark.thumbnails import Pixels, difference, signal_to_noise, unpacked
from reports.figures.sheet import Sheet, text_width
from reports.figures.style import INK, PALE, Style
from reports.figures.view import View
from reports.findings import of_study

TIMES = 5.0
_KINDS = ("clean", "triggered", f"change\nx {TIMES:g}")


@dataclass(frozen=True, kw_only=True)
class Strip:
    """One attack's row.

    Attributes:
        label: the attack.
        clean: images (H, W, 3), 8-bit.
        triggered: the same images with the trigger.
        signal_to_noise: mean peak signal-to-noise ratio in dB over many images; None takes that of these.
        hole: why there are no images, or empty.
    """

    label: str
    clean: tuple[Pixels, ...] = ()
    triggered: tuple[Pixels, ...] = ()
    signal_to_noise: float | None = None
    hole: str = ""

    @property
    def decibels(self) -> float:
        if self.signal_to_noise is not None:
            return self.signal_to_noise
        found = [signal_to_noise(one, other) for one, other in zip(self.clean, self.triggered, strict=True)]
        return float(np.mean(found)) if found else float("nan")


def draw(view: View) -> tuple[Figure, pd.DataFrame] | None:
    """The thumbnails of a run, by attack; of several seeds the first."""
    planned = of_study(view.findings, "thumbnails").sort_values(["attack", "seed"]).drop_duplicates("attack")
    if planned.empty:
        return None
    return contact_sheet([_strip(row) for row in planned.to_dict("records")], view.style)


def _strip(row: dict[Any, Any]) -> Strip:
    if row["status"] != "ok":
        return Strip(label=row["attack"], hole=row["status"])
    images = row["values"]["images"]
    return Strip(
        label=row["attack"],
        clean=tuple(unpacked(image["clean"]) for image in images),
        triggered=tuple(unpacked(image["triggered"]) for image in images),
        signal_to_noise=row["values"]["signal_to_noise"],
    )


def contact_sheet(strips: Sequence[Strip], style: Style) -> tuple[Figure, pd.DataFrame]:
    """A row per attack: its images side by side, each clean, triggered and as a difference ``TIMES`` as strong."""
    shown = max((len(strip.clean) for strip in strips), default=1) or 1
    em, columns = style.font / 72, 3 * shown
    left = text_width([strip.label for strip in strips], style.small) + 0.8 * em
    right = text_width(["99.9"], style.small) + 0.9 * em
    gap = 0.25 * em
    side = (style.width - left - right - gap * (columns - 1)) / columns
    sheet = Sheet(
        style=style,
        heights=(side,) * len(strips),
        columns=columns,
        left=left,
        right=right,
        top=2.2 * em,
        bottom=0.1 * em,
        gap_x=gap,
        gap_y=gap,
    )
    figure, axes = sheet.drawn()
    heading: dict[str, Any] = {"fontsize": style.small * 0.85, "va": "bottom"}
    for place, axis in enumerate(axes[0]):
        axis.set_title(_KINDS[place % 3], pad=0.3 * style.font, **heading)
    for strip, row in zip(strips, axes, strict=True):
        _row(strip, row, figure, style)
    edge, above = axes[0][-1].get_position().x1 + 0.4 * em / style.width, axes[0][-1].get_position().y1
    figure.text(edge, above + 0.3 * em / sheet.height, "PSNR\n(dB)", ha="left", **heading)
    return figure, _numbers(strips)


def _row(strip: Strip, axes: Sequence[Axes], figure: Figure, style: Style) -> None:
    tiles: list[NDArray[np.uint8] | None] = []
    for clean, triggered in zip(strip.clean, strip.triggered, strict=True):
        tiles += [clean, triggered, difference(clean, triggered, TIMES)]
    tiles += [None] * (len(axes) - len(tiles))
    for axis, tile in zip(axes, tiles, strict=True):
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set(color=PALE, linewidth=style.line * 0.4)
        if tile is None:
            axis.set_facecolor("#F2F2F2")
        else:
            axis.imshow(tile, interpolation="nearest", aspect="auto")
    box, em = axes[0].get_position(), style.font / 72 / style.width
    middle: dict[str, Any] = {"va": "center", "fontsize": style.small}
    figure.text(box.x0 - 0.4 * em, (box.y0 + box.y1) / 2, strip.label, ha="right", **middle)
    number = f"{strip.decibels:.1f}" if np.isfinite(strip.decibels) else strip.hole and "?"
    figure.text(axes[-1].get_position().x1 + 0.4 * em, (box.y0 + box.y1) / 2, number, ha="left", **middle)
    if strip.hole:
        axes[0].text(0.1, 0.5, strip.hole, transform=axes[0].transAxes, ha="left", color=INK, **middle)


def _numbers(strips: Sequence[Strip]) -> pd.DataFrame:
    """One row per image: the largest and the mean change of a pixel in 8-bit steps, and its own ratio."""
    rows = []
    for strip in strips:
        for number, (clean, triggered) in enumerate(zip(strip.clean, strip.triggered, strict=True)):
            change = np.abs(clean.astype(int) - triggered.astype(int))
            own = signal_to_noise(clean, triggered)
            numbers = {"largest_change": int(change.max()), "mean_change": float(change.mean()), "psnr": own}
            rows.append({"attack": strip.label, "image": number, **numbers, "mean_psnr": strip.decibels})
        if strip.hole:
            rows.append({"attack": strip.label, "hole": strip.hole})
    columns = ["attack", "image", "largest_change", "mean_change", "psnr", "mean_psnr", "hole"]
    return pd.DataFrame(rows, columns=pd.Index(columns))
