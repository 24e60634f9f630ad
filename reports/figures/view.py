"""What a figure is drawn from: one model on one data set, or all models on one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.boards import Board
from reports.figures.style import Marks, Style


@dataclass(frozen=True, kw_only=True)
class View:
    """Tables of one model and data set, with the looks of its methods.

    Attributes:
        budget: in points of clean accuracy.
        table: rows of ``reports.matrix.matrix``.
        curves: rows of ``reports.curves.curves``.
        clean: the clean model by attack, with ``clean_accuracy`` and ``attack_success_rate``.
        boards: its leaderboards, from knowing nothing to knowing everything.
        findings: rows of ``reports.findings.findings``.
        marks: looks of the methods.
        style: the medium.
    """

    model: str
    dataset: str
    budget: float
    table: pd.DataFrame
    curves: pd.DataFrame
    clean: pd.DataFrame
    boards: tuple[Board, ...]
    findings: pd.DataFrame
    marks: Marks
    style: Style

    @cached_property
    def attacks(self) -> list[str]:
        return sorted(self.table["attack"].unique())

    @cached_property
    def weak(self) -> set[str]:
        """Attacks none of whose victims passed the gate."""
        return set(self.table.loc[self.table["state"] == "weak", "attack"])

    @cached_property
    def methods(self) -> pd.DataFrame:
        """``method``, ``defense`` and ``source``, sorted by name, "none" left out: the victim stands for it."""
        found = self.table[["method", "defense", "source"]].drop_duplicates().sort_values("method")
        return found[found["defense"] != "none"]

    def handles(self, methods: pd.DataFrame | None = None) -> list[Line2D]:
        """Legend entries of the methods."""
        found = []
        for row in (self.methods if methods is None else methods).to_dict("records"):
            mark = self.marks.of(row["defense"], row["source"])
            line = Line2D([], [], color=mark.colour, marker=mark.marker, linestyle=mark.line, label=row["method"])
            line.set_markeredgecolor(mark.edge)
            line.set_markeredgewidth(0.3)
            found.append(line)
        return found


Picture = tuple[Figure, pd.DataFrame] | None
"""A figure and the numbers behind it; None where there is nothing to draw."""

Draw = Callable[[View], Picture]


@dataclass(frozen=True, kw_only=True)
class Models:
    """Tables of all models on one data set; ``table``, ``findings`` and the others are as in a View."""

    dataset: str
    table: pd.DataFrame
    findings: pd.DataFrame
    marks: Marks
    style: Style


DrawModels = Callable[[Models], Picture]
