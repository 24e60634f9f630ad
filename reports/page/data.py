"""Everything that the page shows, section by section, as JSON can hold it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.boards import Board
from reports.detection import DetectionBoard
from reports.frames import Frames
from reports.page.cells import cells_data
from reports.page.charts import curves_data
from reports.page.details import details_data
from reports.page.detectors import detectors_data
from reports.page.ranks import boards_data


@dataclass(frozen=True)
class Source:
    """What sections are made of."""

    frames: Frames
    boards: Sequence[Board]
    detected: Sequence[DetectionBoard] = ()


SECTIONS: Mapping[str, Callable[[Source], Any]] = {
    "boards": lambda source: boards_data(source.boards),
    "curves": lambda source: curves_data(source.frames),
    "cells": lambda source: cells_data(source.frames),
    "detectors": lambda source: detectors_data(source.detected),
    "details": lambda source: details_data(source.frames),
}
"""Sections from top to bottom: the markup of NAME is sections/NAME.html, its script NAME.js, and its data this."""


def page_data(source: Source) -> dict[str, Any]:
    """The data of all sections by name; rates are in ten thousandths."""
    return {name: make(source) for name, make in SECTIONS.items()}
