"""Detection: what detectors make of victims, as one frame of studies and one board per model and data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from benchmark.findings import Finding
from benchmark.runs import PlannedStudy, RunFolder
from benchmark.separation import unpacked
from reports.detection_scores import BOOTSTRAP, MEANING, METRICS, attack_rows, headline
from reports.frames import Frames
from reports.knowledge import board_of
from reports.summaries import ACCEPTED, BLOCK, PENDING, victims

SCORED = {"pairs": "training pairs", "images": "images at test time", "model": "whole models"}
"""What detectors score, in the order of the boards."""

_NUMBERS = (
    *METRICS,
    *("samples", "positives", "base_rate", "threshold", "true_positive_rate", "false_positive_rate"),
    *("score", "seconds"),
)
_TEXTS = ("detector", "model", "dataset", "attack", "seed", "victim", "key", "status", "reason", "scored", "knowledge")


def detections(folder: RunFolder) -> pd.DataFrame:
    """One row per planned study of a detector on a victim; holes are rows of their own.

    ``scored`` is "pairs", "images" or "model", ``knowledge`` what the detector had to know; both come from any finding
    of the detector, and are empty where there is none yet. ``suspicious`` and ``others`` hold the scores (n,) of what
    should be found and of everything else, None where they were not kept.

    Raises:
        UserError: the folder has no plan, or a damaged one.
    """
    plan = folder.plan()
    planned = [study for study in plan.studies if study.study.kind == "detection"]
    rows = [_row(study, folder.findings.read(study.key)) for study in planned]
    found = pd.DataFrame(rows, columns=pd.Index([*_TEXTS, *_NUMBERS, "suspicious", "others"]))
    found = found.astype(dict.fromkeys(_NUMBERS, float))
    for name in ("scored", "knowledge"):
        known = found[found[name] != ""].groupby("detector")[name].first()
        found[name] = found[name].mask(found[name] == "", found["detector"].map(known)).fillna("")
    return found


def _row(planned: PlannedStudy, finding: Finding | None) -> dict[str, Any]:
    study = planned.study
    row: dict[str, Any] = {
        **study.model_dump(exclude={"kind", "name"}),
        "detector": study.name,
        "key": planned.key,
        "status": "missing" if finding is None else finding.status,
        "reason": "no finding yet" if finding is None else finding.reason,
        "scored": "",
        "knowledge": "",
        "suspicious": None,
        "others": None,
    }
    if finding is None:
        return row
    needs = finding.resolved.get("needs", ())
    row |= {"scored": finding.resolved.get("scored", ""), "knowledge": board_of(needs, "none")}
    row |= {name: finding.values[name] for name in _NUMBERS if name in finding.values}
    return row | {name: unpacked(text) for name, text in finding.values.get("scores", {}).items()}


@dataclass(frozen=True, kw_only=True)
class DetectionBoard:
    """All detectors on one model and data set.

    Attributes:
        rows: one row per detector, by what it scores and then by AUROC; the metrics are means over attacks and seeds
            of the accepted victims, NaN where a study is missing. ``control`` is the AUROC on benign victims, for
            detectors of images.
        by_attack: one row per detector and attack, with ``state`` as in ``reports.matrix``.
        notes: sentences to print below it.
    """

    model: str
    dataset: str
    rows: pd.DataFrame
    by_attack: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        return f"{self.model} on {self.dataset}"


def detection_boards(found: pd.DataFrame, frames: Frames) -> tuple[DetectionBoard, ...]:
    """A board per model and data set; none where no detector was planned.

    Args:
        found: what ``detections`` returns.
        frames: the run, for which victims are accepted.
    """
    states = victims(frames)[[*BLOCK, "state"]]
    merged = found.merge(states, on=BLOCK, how="left")
    poisoned = merged["victim"] == "poisoned"
    merged["eligible"] = merged["state"].isin([ACCEPTED, PENDING]) & poisoned
    groups = merged.groupby(["model", "dataset"], sort=False)
    return tuple(_board(str(model), str(dataset), group) for (model, dataset), group in groups)


def _board(model: str, dataset: str, group: pd.DataFrame) -> DetectionBoard:
    rows, by_attack = [], []
    for (detector, scored, knowledge), studies in group.groupby(["detector", "scored", "knowledge"], sort=True):
        name = {"detector": detector, "scored": scored, "knowledge": knowledge}
        rows.append({**name, **headline(str(scored), studies)})
        by_attack += [{**name, **row} for row in attack_rows(str(scored), studies)]
    table = pd.DataFrame(rows)
    places = {name: place for place, name in enumerate(SCORED)}
    order = table.assign(place=table["scored"].map(places), worst=-table["auroc"])
    order = order.sort_values(["place", "worst", "detector"], na_position="last")
    return DetectionBoard(
        model=model,
        dataset=dataset,
        rows=table.loc[order.index].reset_index(drop=True),
        by_attack=pd.DataFrame(by_attack),
        notes=tuple(_notes(table, group)),
    )


def _notes(rows: pd.DataFrame, group: pd.DataFrame) -> list[str]:
    notes = []
    for kind in dict.fromkeys(rows["interval"]):
        names = ", ".join(rows.loc[rows["interval"] == kind, "detector"])
        if kind != "none":
            count = f", {BOOTSTRAP} resamples" if "bootstrap" in MEANING[kind] else ""
            notes.append(f"Brackets of {names}: 95 %, {MEANING[kind]}{count}.")
    weak = group[(group["state"] == "weak") & (group["victim"] == "poisoned")]
    if len(weak):
        names = ", ".join(sorted(weak["attack"].unique()))
        notes.append(f"Not in the means, because victims are weak: {names}.")
    return notes + _holes(group[group["status"] != "ok"])


def _holes(holes: pd.DataFrame) -> list[str]:
    """One sentence per status, reason and set of victims, with the detectors that it concerns."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for (detector, status, reason), group in holes.groupby(["detector", "status", "reason"], sort=True):
        found.setdefault((str(status), str(reason), ", ".join(_places(group))), []).append(str(detector))
    return [
        f"Hole: {', '.join(detectors)}, {status} ({where})" + (f": {reason}." if status != "missing" else ".")
        for (status, reason, where), detectors in found.items()
    ]


def _places(group: pd.DataFrame) -> Sequence[str]:
    places = []
    for (attack, victim), cells in group.groupby(["attack", "victim"], sort=True):
        kind = "" if victim == "poisoned" else f" [{victim}]"
        places.append(f"{attack}{kind} seed {' '.join(map(str, sorted(cells['seed'].unique())))}")
    return places


def detection_frame(boards: Sequence[DetectionBoard]) -> pd.DataFrame:
    """All boards as one long table: a row per detector and attack, and one with attack "all" for the means."""
    tables = []
    for board in boards:
        joined = pd.concat([board.rows.assign(attack="all"), board.by_attack], ignore_index=True)
        tables.append(joined.assign(model=board.model, dataset=board.dataset))
    if not tables:
        return pd.DataFrame()
    found = pd.concat(tables, ignore_index=True)
    first = ["model", "dataset", "detector", "scored", "knowledge", "attack"]
    return found[[*first, *(name for name in found.columns if name not in first)]]
