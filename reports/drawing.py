"""Draws the figures of a run, one set per model and data set, and those that compare models."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial

import pandas as pd

from reports.boards import Board
from reports.curves import curves
from reports.detection import DetectionBoard, detection_frame
from reports.figures import (
    capacity,
    contact,
    cosines,
    cost,
    data_budget,
    detection,
    disentanglement,
    heatmap,
    sensitivity,
    tiers,
    tradeoff,
)
from reports.figures.saving import Drawn, file_name
from reports.figures.style import Marks, style_named
from reports.figures.view import Draw, DrawModels, Models, Picture, View
from reports.frames import Frames
from reports.matrix import matrix
from reports.summaries import victims

FIGURES: Mapping[str, Draw] = {
    "tradeoff": tradeoff.draw,
    "heatmap": heatmap.draw,
    "sensitivity": sensitivity.draw,
    "cost": cost.draw,
    "tiers": tiers.draw,
    "disentanglement": partial(disentanglement.draw, study="disentanglement"),
    "disentanglement_backdoor": partial(disentanglement.draw, study="disentanglement_backdoor"),
    "disentanglement_victim": partial(disentanglement.draw, study="disentanglement_victim"),
    "cosines": cosines.draw,
    "data_budget": data_budget.draw,
    "contact": contact.draw,
}
ACROSS_MODELS: Mapping[str, DrawModels] = {"capacity": capacity.draw}
SUMMARY = {name: FIGURES[name] for name in ("tradeoff", "heatmap")}


def draw_all(
    frames: Frames, boards: Sequence[Board], style: str, only: Collection[str] | None = None
) -> Iterator[Drawn]:
    """Every figure of every model and data set, one after the other, so that one at a time is in memory.

    Each is to be saved before the next is asked for: fonts and hatches are set as long as it is the last.

    Args:
        frames: the run.
        boards: its leaderboards.
        style: name of the medium.
        only: names of the figures that are wanted; None takes all.

    Raises:
        UserError: there is no such style.
    """
    medium = style_named(style)
    views, together = list(_views(frames, boards, style)), list(_together(frames, style))
    wanted: list[tuple[str, Callable[[], Picture]]] = [
        (file_name(name, len(views) == 1, view.model, view.dataset), partial(draw, view))
        for view in views
        for name, draw in FIGURES.items()
        if only is None or name in only
    ]
    wanted += [
        (file_name(name, len(together) == 1, models.dataset), partial(draw, models))
        for models in together
        for name, draw in ACROSS_MODELS.items()
        if only is None or name in only
    ]
    for name, draw_it in wanted:
        with medium.applied():
            drawn = draw_it()
            if drawn is not None:
                yield Drawn(name, *drawn)


def count(frames: Frames) -> int:
    """How many figures ``draw_all`` draws at most."""
    views = len(frames.cells[["model", "dataset"]].drop_duplicates())
    return len(FIGURES) * views + len(ACROSS_MODELS) * frames.cells["dataset"].nunique()


def draw_summary(frames: Frames, boards: Sequence[Board]) -> Iterator[Drawn]:
    """The trade-off and the heat map of the plan's first model and data set, under the same names in every run."""
    first = next(_views(frames, boards, "paper"), None)
    for name, draw in SUMMARY.items() if first is not None else ():
        assert first is not None
        with first.style.applied():
            drawn = draw(first)
            if drawn is not None:
                yield Drawn(name, *drawn)


def draw_detection(boards: Sequence[DetectionBoard], style: str) -> Iterator[Drawn]:
    """The detectors' figure of every model and data set.

    Raises:
        UserError: there is no such style.
    """
    medium = style_named(style)
    for board in boards:
        with medium.applied():
            drawn = detection.draw(board.by_attack, medium)
            if drawn is not None:
                name = file_name("detection", len(boards) == 1, board.model, board.dataset)
                yield Drawn(name, drawn, detection_frame([board]))


def _views(frames: Frames, boards: Sequence[Board], style: str) -> Iterator[View]:
    table, lines, known, found = matrix(frames), curves(frames), victims(frames), frames.findings
    for (model, dataset), cells in table.groupby(["model", "dataset"], sort=False):
        ours = known[(known["model"] == model) & (known["dataset"] == dataset)]
        yield View(
            model=str(model),
            dataset=str(dataset),
            budget=frames.plan.budget,
            table=cells,
            curves=lines[(lines["model"] == model) & (lines["dataset"] == dataset)],
            clean=_clean(ours),
            boards=tuple(board for board in boards if (board.model, board.dataset) == (model, dataset)),
            findings=found[(found["model"] == model) & (found["dataset"] == dataset)],
            marks=Marks(frames.cells["defense"], frames.cells["source"]),
            style=style_named(style),
        )


def _together(frames: Frames, style: str) -> Iterator[Models]:
    table, found = matrix(frames), frames.findings
    for dataset, cells in table.groupby("dataset", sort=False):
        yield Models(
            dataset=str(dataset),
            table=cells,
            findings=found[found["dataset"] == dataset],
            marks=Marks(frames.cells["defense"], frames.cells["source"]),
            style=style_named(style),
        )


def _clean(known: pd.DataFrame) -> pd.DataFrame:
    """The clean model under the trigger of every attack."""
    columns = {f"clean_model_{name}": name for name in ("clean_accuracy", "attack_success_rate")}
    return known[["attack", *columns]].rename(columns=columns).groupby("attack").mean().reset_index()
