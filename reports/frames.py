"""A run folder as tidy frames: one row per planned cell, per point, and per pick. Holes are rows of their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.picking import VICTIM, oracle_pick
from benchmark.progress import Progress, Silent
from benchmark.results import CellId, Measured, Outcomes, Recall, Result
from benchmark.runs import Plan, PlannedCell, RunFolder
from reports.details import Details
from reports.findings import findings
from reports.knowledge import board_of, method_name
from reports.statistics.budgets import AREA, SHOWN, blind_picks, last_within, loss_bounds

METRICS = tuple(Measured.model_fields)[:7]
"""Names of the metrics of the test split, as the points and picks carry them."""

RETRIEVAL = ("retrieval_r1", "retrieval_r5", "retrieval_r10")
"""R@1, R@5 and R@10, each the mean of both directions and over the captioned sets; NaN where none was measured."""

_EXTRA = (
    "general_accuracy",
    "defense_effectiveness",
    "retained_accuracy",
    "retained_accuracy_corrected",
)
_COST = (
    "seconds",
    "device_seconds",
    "peak_memory_bytes",
    "clean_pairs",
    "triggered_pairs",
    "optimiser_steps",
    "trainable_parameters",
)
_CELL = (
    *CellId.model_fields,
    *("key", "method", "board", "status", "reason"),
    *("metric_version", "utc", "device", "plugins", "accepted", "gate_reason"),
    *(f"clean_model_{name}" for name in METRICS),
    *("test_images", "test_images_other", "rebound"),
    *_COST,
)


@dataclass(frozen=True)
class Bits:
    """Per-image test outcomes of one cell at the victim (row 0) and at the blind pick (row 1), packed.

    Attributes:
        clean_right: (2, ceil(n / 8)) bytes.
        success: (2, ceil(n / 8)) bytes.
        other: (ceil(n / 8),) bytes, images whose class is not the target.
        count: n.
    """

    clean_right: NDArray[np.uint8]
    success: NDArray[np.uint8]
    other: NDArray[np.uint8]
    count: int


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Everything that tables and figures are made of.

    Attributes:
        plan: what was asked for.
        cells: one row per planned cell; ``status`` is "ok", "skipped", "failed" or "missing". The index is the cell.
        points: ``cell``, ``point`` (-1 is the victim), ``strength`` and the metrics of the test split.
        picks: ``cell``, ``budget``, ``rule``, ``point`` and the metrics of that point. The rules are "blind", "oracle"
            and "last": the last point within the budget even where one before it is not.
        bits: per-image outcomes by cell, where they were stored.
        details: parameters, provenance and tracebacks by cell.
        findings: one row per planned study; see ``reports.findings``.
    """

    plan: Plan
    cells: pd.DataFrame
    points: pd.DataFrame
    picks: pd.DataFrame
    bits: dict[int, Bits]
    details: Details
    findings: pd.DataFrame


def read(folder: RunFolder, progress: Progress | None = None) -> Frames:
    """Reads every result of a run folder once.

    Raises:
        UserError: the folder has no plan, or a damaged one.
    """
    plan = folder.plan()
    reader = _Reader(plan.budget)
    with (progress or Silent()).task("reading results", len(plan.cells)) as advance:
        for number, planned in enumerate(plan.cells):
            result = folder.result(planned.key)
            outcomes = folder.outcomes(planned.key) if result is not None and result.status == "ok" else None
            reader.add(number, planned, result, outcomes)
            advance(1)
    cells, points, picks = reader.frames()
    found, bits = findings(folder, plan), reader.bits
    details = reader.details
    return Frames(plan=plan, cells=cells, points=points, picks=picks, bits=bits, details=details, findings=found)


class _Reader:
    """Collects plain rows, so that a frame is built once instead of grown."""

    def __init__(self, budget: float) -> None:
        self.budget = budget
        self.budgets = np.array(sorted({budget, *SHOWN, *AREA}))
        self.cells: list[dict[str, object]] = []
        self.points: list[tuple[object, ...]] = []
        self.picks: list[tuple[object, ...]] = []
        self.bits: dict[int, Bits] = {}
        self.details = Details()

    def add(self, number: int, planned: PlannedCell, result: Result | None, outcomes: Outcomes | None) -> None:
        self.cells.append(_cell_row(planned, result))
        if result is not None:
            self.details.add(number, result)
        if result is None or result.status != "ok" or result.victim is None:
            return
        self.points += _point_rows(number, result)
        if outcomes is None or outcomes.test.shape[0] != 1 + len(result.points):
            self.picks += _stored_picks(number, result, self.budget)
            return
        before, after = outcomes.validation[0, 0], outcomes.validation[1:, 0]
        bounds = loss_bounds(before, after)
        blind = blind_picks(bounds, self.budgets)
        self.picks += [(number, budget, "blind", pick) for budget, pick in zip(self.budgets, blind, strict=True)]
        success = [point.validation.attack_success_rate for point in result.points]
        self.picks.append((number, self.budget, "last", last_within(bounds, self.budget)))
        self.picks.append((number, self.budget, "oracle", oracle_pick(before, list(after), success, self.budget)))
        self.bits[number] = _bits(outcomes, int(blind[np.searchsorted(self.budgets, self.budget)]))

    def frames(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        cells = pd.DataFrame(self.cells, columns=pd.Index(_CELL))
        names = ["cell", "point", "strength", "seconds", *METRICS, *_EXTRA, *RETRIEVAL]
        points = pd.DataFrame(self.points, columns=pd.Index([*names, "validation_clean_accuracy"]))
        picks = pd.DataFrame(self.picks, columns=pd.Index(["cell", "budget", "rule", "point"]))
        numbers = {name: float for name in points.columns if name not in ("cell", "point")}
        points = points.astype({"cell": int, "point": int, **numbers})
        picks = picks.astype({"cell": int, "point": int, "budget": float})
        return cells, points, picks.merge(points, on=["cell", "point"], how="left")


def _cell_row(planned: PlannedCell, result: Result | None) -> dict[str, object]:
    cell = planned.cell
    knowledge = result.knowledge if result is not None else planned.knowledge
    row: dict[str, object] = {
        **cell.model_dump(),
        "key": planned.key,
        "method": method_name(cell.defense, cell.source),
        "board": board_of(knowledge, cell.source),
        "status": "missing" if result is None else result.status,
        "reason": "no result yet" if result is None else result.reason,
    }
    if result is None:
        return row
    row["metric_version"] = result.metric_version
    if result.provenance is not None:
        row |= {"utc": result.provenance.utc, "device": result.provenance.device}
        row["plugins"] = tuple(sorted(result.provenance.plugins.items()))
    if result.gate is not None:
        row |= {"accepted": result.gate.accepted, "gate_reason": result.gate.reason}
    if result.clean is not None:
        row |= {f"clean_model_{name}": getattr(result.clean, name) for name in METRICS}
    row["rebound"] = result.rebound
    if result.counts is not None:
        row |= {"test_images": result.counts.test, "test_images_other": result.counts.test_other}
    return row | {name: getattr(result.cost, name) for name in _COST if result.status == "ok"}


def _metrics(measured: Measured) -> tuple[float, ...]:
    return tuple(getattr(measured, name) for name in METRICS)


def _recalls(found: tuple[Recall, ...]) -> tuple[float, ...]:
    """R@k over all captioned sets, in the order of ``RETRIEVAL``."""
    means = np.array([recall.mean for recall in found], dtype=np.float64)
    return tuple(means.mean(axis=0).tolist()) if found else (np.nan,) * len(RETRIEVAL)


def _point_rows(number: int, result: Result) -> list[tuple[object, ...]]:
    assert result.victim is not None
    validation = result.victim_validation
    accuracy = np.nan if validation is None else validation.clean_accuracy
    extra = (result.victim_general_accuracy, 0.5, 1.0, 1.0)
    recalls = _recalls(result.victim_retrieval)
    rows: list[tuple[object, ...]] = [(number, VICTIM, 0.0, 0.0, *_metrics(result.victim), *extra, *recalls, accuracy)]
    for place, point in enumerate(result.points):
        extra = tuple(getattr(point, name) for name in _EXTRA)
        known = (*_metrics(point.test), *extra, *_recalls(point.retrieval), point.validation.clean_accuracy)
        rows.append((number, place, point.strength, point.seconds, *known))
    return rows


def _stored_picks(number: int, result: Result, budget: float) -> list[tuple[object, ...]]:
    """Without outcomes only the picks that the runner made are known, and only at its own budget."""
    if result.picks is None or result.picks.budget != budget:
        return []
    picks = result.picks
    return [(number, budget, "blind", picks.blind), (number, budget, "oracle", picks.oracle)]


def _bits(outcomes: Outcomes, pick: int) -> Bits:
    rows = outcomes.test[[0, 1 + pick]]
    return Bits(
        clean_right=np.packbits(rows[:, 0], axis=-1),
        success=np.packbits(rows[:, 1], axis=-1),
        other=np.packbits(outcomes.test_other),
        count=rows.shape[-1],
    )
