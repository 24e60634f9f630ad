"""Leaderboards: one per model, data set and level of knowledge, ranked by attack success at the blind pick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.picking import VICTIM
from reports.frames import RETRIEVAL, Frames
from reports.held_out import split_means
from reports.knowledge import board_order
from reports.matrix import LEFT_OUT
from reports.notes import board_notes
from reports.scores import Blocks, Outcome, score_intervals
from reports.stability import across_datasets, rank_ranges
from reports.statistics.budgets import SHOWN
from reports.statistics.comparisons import Comparison, compare
from reports.summaries import ACCEPTED, PENDING, at_picks, success_column, victims

RECALL_ALLOWANCE = 0.10
"""Loss of target recall, against the victim, above which a method is not ranked."""

_HOLES = ("missing", "skipped", "failed", LEFT_OUT)

MEANS = (
    *(success_column(budget) for budget in SHOWN),
    "area",
    "trigger_shift",
    "robust_accuracy",
    "general_accuracy",
    "defense_effectiveness",
    "retained_accuracy_corrected",
    "rebound",
    "test_loss",
    "oracle_success",
    "oracle_clean_accuracy",
    "last_success",
    "seconds",
    "device_seconds",
    "peak_memory_bytes",
    "clean_pairs",
    "triggered_pairs",
    "optimiser_steps",
    "trainable_parameters",
)
"""Columns of a board that are plain means over its eligible cells."""


@dataclass(frozen=True, kw_only=True)
class Board:
    """Methods that knew the same, on one model and one data set.

    Attributes:
        budget: in points of clean accuracy.
        rows: one row per method, best first; rates in [0, 1], ``rank`` NaN where ``unranked`` says why.
        references: the victim without defense and the clean model, never ranked.
        pairs: every ranked pair with its difference in success and its p-values.
        victims: all victims of the model and data set with their ``state``.
        notes: sentences to print below it.
        held_out: labels of the attacks that no defense may be tuned on.
    """

    model: str
    dataset: str
    knowledge: str
    budget: float
    rows: pd.DataFrame
    references: pd.DataFrame
    pairs: pd.DataFrame
    victims: pd.DataFrame
    notes: tuple[str, ...]
    held_out: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return f"{self.model} on {self.dataset}, the defender knows: {self.knowledge}"


def boards(frames: Frames) -> tuple[Board, ...]:
    """All leaderboards of a run, from knowing nothing to knowing everything within each model and data set."""
    cells = frames.cells.join(at_picks(frames))
    known = victims(frames)
    found = []
    poisoned = cells[cells["victim"] == "poisoned"]
    for (model, dataset, knowledge), group in poisoned.groupby(["model", "dataset", "board"], sort=False):
        ours = known[(known["model"] == model) & (known["dataset"] == dataset)]
        benign = cells[(cells["victim"] == "benign") & (cells["model"] == model) & (cells["dataset"] == dataset)]
        found.append(_Maker(frames, group, ours, benign).board(str(model), str(dataset), str(knowledge)))
    found.sort(key=lambda board: (board.model, board.dataset, board_order(board.knowledge)))
    return tuple(across_datasets(found))


class _Maker:
    """Builds one board from the cells of its methods."""

    def __init__(self, frames: Frames, cells: pd.DataFrame, known: pd.DataFrame, benign: pd.DataFrame) -> None:
        self.frames, self.cells, self.known, self.benign = frames, cells, known, benign
        self.eligible = known[known["state"].isin([ACCEPTED, PENDING])].sort_values(["attack", "seed"])
        self.blocks = Blocks(tuple(self.eligible["attack"]), tuple(self.eligible["seed"]))
        self.methods = sorted(cells["method"].unique())
        self.rows = self._places()
        index = np.append(cells.index.to_numpy(dtype=np.int64), -1)
        self.places = index[self.rows]

    def _places(self) -> NDArray[np.int64]:
        """(methods, blocks): the row of each method's cell on each eligible victim, -1 where none was planned."""
        method = {name: place for place, name in enumerate(self.methods)}
        block = {pair: place for place, pair in enumerate(zip(self.blocks.attacks, self.blocks.seeds, strict=True))}
        found = np.full((len(method), len(block)), -1, dtype=np.int64)
        columns = (self.cells[name].tolist() for name in ("method", "attack", "seed"))
        for row, (name, attack, seed) in enumerate(zip(*columns, strict=True)):
            if (attack, seed) in block:
                found[method[name], block[attack, seed]] = row
        return found

    def values(self, column: str) -> NDArray[np.float64]:
        """(methods, blocks), NaN in holes."""
        series = np.append(self.cells[column].to_numpy(dtype=np.float64), np.nan)
        return np.asarray(series[self.rows])

    def means(self, column: str) -> NDArray[np.float64]:
        """(methods,): over attacks and seeds, NaN where there is a hole."""
        if not len(self.blocks):
            return np.full(len(self.methods), np.nan)
        return np.asarray(self.values(column) @ self.blocks.weights)

    def board(self, model: str, dataset: str, knowledge: str) -> Board:
        rows = self._rows()
        success = self.values("attack_success_rate")
        ranked = np.flatnonzero((rows["unranked"] == "").to_numpy())
        comparison = compare(success[ranked], self.blocks.weights) if len(ranked) else None
        rows["rank"] = np.nan
        if comparison is not None:
            rows.loc[rows.index[ranked], "rank"] = comparison.tiers.astype(float)
        rows = rows.join(rank_ranges(success[ranked], self.blocks, rows.index[ranked]))
        pairs = _pairs(comparison, rows["success"].to_numpy()[ranked], [self.methods[row] for row in ranked])
        order = rows.assign(unknown=rows["unranked"] != "").sort_values(["unknown", "rank", "success", "method"]).index
        smallest = 1.0 if comparison is None else comparison.smallest
        return Board(
            model=model,
            dataset=dataset,
            knowledge=knowledge,
            budget=self.frames.plan.budget,
            rows=rows.loc[order].reset_index(drop=True),
            references=references(self.eligible, self.blocks, self.frames.plan.held_out),
            pairs=pairs,
            victims=self.known,
            notes=board_notes(self.cells, rows, self.blocks, smallest, self.frames.plan.held_out),
            held_out=self.frames.plan.held_out,
        )

    def _rows(self) -> pd.DataFrame:
        first = self.cells.drop_duplicates("method").set_index("method").loc[self.methods]
        budget = self.frames.plan.budget / 100
        by_attack = self.values("attack_success_rate") @ self.blocks.averaging
        recall = self.values("recall_loss") @ self.blocks.averaging
        found: dict[str, Any] = {
            "method": self.methods,
            "defense": first["defense"].to_numpy(),
            "source": first["source"].to_numpy(),
            "success": self.means("attack_success_rate"),
            "clean_accuracy": self.means("clean_accuracy"),
            **{name: self.means(name) for name in (*MEANS, *self._retrieval())},
            **self._intervals(),
            **split_means(self.values("attack_success_rate"), self.blocks, self.frames.plan.held_out),
            "worst_success": _worst(by_attack),
            "worst_attack": self._worst_attacks(by_attack),
            "recall_loss": _worst(recall),
            "cells_overshooting": (self.values("test_loss") > budget).sum(axis=1),
            "stops_early": (self.values("stops_early") == 1).sum(axis=1),
            "keeps_victim": (self.values("pick") == VICTIM).sum(axis=1),
            "harm": self._harm(),
            **self._holes(),
        }
        found["overshoot"] = found["test_loss"] > budget
        rows = pd.DataFrame(found)
        rows["unranked"] = [_why_unranked({str(k): v for k, v in row.items()}) for row in rows.to_dict("records")]
        return rows

    def _retrieval(self) -> tuple[str, ...]:
        """The columns of retrieval, where any was measured."""
        return RETRIEVAL if self.cells[list(RETRIEVAL)].notna().to_numpy().any() else ()

    def _worst_attacks(self, by_attack: NDArray[np.float64]) -> list[str]:
        """The attack that succeeds most against each method, empty where there is a hole."""
        known = np.isfinite(by_attack).all(axis=1) & (by_attack.shape[1] > 0)
        return [self.blocks.names[int(row.argmax())] if k else "" for row, k in zip(by_attack, known, strict=True)]

    def _intervals(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, column, field, count in (
            ("success", "attack_success_rate", "success", "test_images_other"),
            ("clean_accuracy", "clean_accuracy", "clean_right", "test_images"),
        ):
            images = self.eligible[count].fillna(0).to_numpy(dtype=np.float64)
            outcome = Outcome(values=self.values(column), cells=self.places, images=images, field=field)
            limits, kinds = score_intervals(outcome, self.blocks, self.frames.bits)
            found |= {f"{name}_low": limits[:, 0], f"{name}_high": limits[:, 1], f"{name}_interval": kinds}
        tested = self.eligible["test_images_other"]
        return found | {"seeds": self.blocks.repeats, "images": tested.min() if len(tested) else 0}

    def _harm(self) -> NDArray[np.float64]:
        """Clean accuracy that a method costs the benign victim; NaN where it did not meet it everywhere."""
        whole = self.benign["test_loss"].groupby(self.benign["method"]).agg(lambda losses: losses.mean(skipna=False))
        return np.asarray(whole.reindex(self.methods), dtype=np.float64)

    def _holes(self) -> dict[str, Any]:
        """Counts of the eligible cells by status, and of those on victims that are not ranked on."""
        table = np.append(self.cells["status"].to_numpy(dtype=object), LEFT_OUT)[self.rows]
        found: dict[str, Any] = {f"cells_{name}": (table == name).sum(axis=1) for name in ("ok", *_HOLES)}
        found["cells"] = table.shape[1]
        off = ~self.cells.index.isin(self.places.reshape(-1))
        weak = self.cells["method"][off].value_counts()
        return found | {"cells_weak": weak.reindex(self.methods).fillna(0).to_numpy(dtype=np.int64)}


def _worst(by_attack: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest of each row; NaN where one is unknown or there is none."""
    return by_attack.max(axis=1) if by_attack.shape[1] else np.full(len(by_attack), np.nan)


def references(eligible: pd.DataFrame, blocks: Blocks, held_out: tuple[str, ...] = ()) -> pd.DataFrame:
    """The victim as it is and the clean model, each as the mean over the eligible victims."""
    found = []
    for label, prefix in (("none (the victim)", "victim_"), ("clean model", "clean_model_")):
        row: dict[str, Any] = {"method": label, "worst_success": np.nan, "worst_attack": ""}
        for name in ("clean_accuracy", "attack_success_rate", "robust_accuracy", "trigger_shift"):
            values = eligible[prefix + name].to_numpy(dtype=np.float64)
            row[name] = float(values @ blocks.weights) if len(values) else np.nan
        row["success"] = row.pop("attack_success_rate")
        success = eligible[prefix + "attack_success_rate"].to_numpy(dtype=np.float64)
        by_attack = success @ blocks.averaging
        if len(by_attack) and np.isfinite(by_attack).all():
            worst = int(by_attack.argmax())
            row |= {"worst_success": float(by_attack[worst]), "worst_attack": blocks.names[worst]}
        row |= {name: mean[0] for name, mean in split_means(success[None], blocks, held_out).items()}
        found.append(row)
    return pd.DataFrame(found)


def _why_unranked(row: dict[str, object]) -> str:
    if not row["cells"]:
        return "no victim was accepted"
    holes = [f"{row['cells_' + name]} {name.replace('_', ' ')}" for name in _HOLES if row["cells_" + name]]
    if holes:
        return f"{', '.join(holes)} of {row['cells']} cells"
    if row["success"] != row["success"]:
        return "no pick at this budget: the per-image outcomes are not stored"
    loss = float(str(row["recall_loss"]))
    return f"loses {100 * loss:.0f} points of target recall" if loss > RECALL_ALLOWANCE else ""


def _pairs(comparison: Comparison | None, scores: NDArray[np.float64], names: list[str]) -> pd.DataFrame:
    columns = ["first", "second", "difference", "p_value", "p_value_holm"]
    if comparison is None:
        return pd.DataFrame(columns=columns)
    first, second = np.triu_indices(len(names), k=1)
    return pd.DataFrame(
        {
            "first": [names[row] for row in first],
            "second": [names[row] for row in second],
            "difference": scores[first] - scores[second],
            "p_value": comparison.p_values[first, second],
            "p_value_holm": comparison.corrected[first, second],
        }
    )
