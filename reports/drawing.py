"""Draws the figures of a run, one set per model and data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from reports.boards import Board
from reports.curves import curves
from reports.figures import cost, heatmap, sensitivity, tiers, tradeoff
from reports.figures.saving import Drawn, file_name
from reports.figures.style import Marks, style_named
from reports.figures.view import Draw, View
from reports.frames import Frames
from reports.matrix import matrix
from reports.summaries import victims

FIGURES: Mapping[str, Draw] = {
    "tradeoff": tradeoff.draw,
    "heatmap": heatmap.draw,
    "sensitivity": sensitivity.draw,
    "cost": cost.draw,
    "tiers": tiers.draw,
}


def draw_all(
    frames: Frames, boards: Sequence[Board], style: str, only: Sequence[str] = tuple(FIGURES)
) -> Iterator[Drawn]:
    """The figures named in ``only``, one after the other, so that one at a time is in memory.

    Raises:
        UserError: there is no such style.
    """
    medium = style_named(style)
    views = list(_views(frames, boards, style))
    for view in views:
        for name in only:
            with medium.applied():
                drawn = FIGURES[name](view)
                if drawn is not None:
                    yield Drawn(file_name(name, view.model, view.dataset, len(views) == 1), *drawn)


def _views(frames: Frames, boards: Sequence[Board], style: str) -> Iterator[View]:
    table, lines, known = matrix(frames), curves(frames), victims(frames)
    for (model, dataset), cells in table.groupby(["model", "dataset"], sort=True):
        ours = known[(known["model"] == model) & (known["dataset"] == dataset)]
        yield View(
            model=str(model),
            dataset=str(dataset),
            budget=frames.plan.budget,
            table=cells,
            curves=lines[(lines["model"] == model) & (lines["dataset"] == dataset)],
            clean=_clean(ours),
            boards=tuple(board for board in boards if (board.model, board.dataset) == (model, dataset)),
            marks=Marks(frames.cells["defense"], frames.cells["source"]),
            style=style_named(style),
        )


def _clean(known: pd.DataFrame) -> pd.DataFrame:
    """The clean model under the trigger of every attack."""
    columns = {f"clean_model_{name}": name for name in ("clean_accuracy", "attack_success_rate")}
    return known[["attack", *columns]].rename(columns=columns).groupby("attack").mean().reset_index()
