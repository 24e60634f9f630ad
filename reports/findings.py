"""What studies found, as tidy frames: one row per planned study, per point of a grid, per angle, per data budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from benchmark.findings import StudyId
from benchmark.runs import Plan, RunFolder

PLACE = ["model", "dataset", "attack", "seed"]
GRIDS = ("disentanglement", "disentanglement_backdoor", "disentanglement_victim")
"""Studies whose values are grids over the multiples of two task vectors."""

_COLUMNS = (*StudyId.model_fields, "key", "status", "reason", "values")
_ON_GRID = ("xi", "xi_clean", "xi_trigger", "clean_accuracy", "attack_success_rate")


def findings(folder: RunFolder, plan: Plan) -> pd.DataFrame:
    """One row per planned study.

    ``status`` is "ok", "skipped", "failed" or "missing"; ``values`` is what was measured, empty in holes.
    """
    rows = []
    for planned in plan.studies:
        found = folder.findings.read(planned.key)
        row: dict[str, Any] = {**planned.study.model_dump(), "key": planned.key, "status": "missing", "values": {}}
        if found is not None:
            row |= {"status": found.status, "reason": found.reason, "values": found.values}
        rows.append({"reason": "not computed yet", **row})
    return pd.DataFrame(rows, columns=pd.Index(_COLUMNS))


def of_study(found: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows of the analyses of one name."""
    return found[(found["kind"] == "analysis") & (found["name"] == name)]


def _ok(found: pd.DataFrame, name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Place and values of every finding of a study that is there."""
    rows = of_study(found, name)
    for row in rows[rows["status"] == "ok"].to_dict("records"):
        yield {key: row[key] for key in PLACE}, row["values"]


def _frame(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=pd.Index([*PLACE, *columns]))


def grids(found: pd.DataFrame, name: str) -> pd.DataFrame:
    """One row per point of a grid: ``alpha_clean``, ``alpha_trigger``, xi and its terms, accuracy and success."""
    rows = []
    for place, values in _ok(found, name):
        alphas, sizes = values["alphas"], {key: values[key] for key in ("parameters", "vision_parameters")}
        for i, first in enumerate(alphas):
            for j, second in enumerate(alphas):
                numbers = {key: values[key][i][j] for key in _ON_GRID}
                rows.append({**place, **sizes, "alpha_clean": first, "alpha_trigger": second, **numbers})
    return _frame(rows, ["parameters", "vision_parameters", "alpha_clean", "alpha_trigger", *_ON_GRID])


def data_budgets(found: pd.DataFrame) -> pd.DataFrame:
    """One row per defense and number of pairs, and one per victim with 0 pairs and ``method`` "victim"."""
    rows = []
    for place, values in _ok(found, "data_budget"):
        rows += [{**place, **row} for row in values["rows"]]
        if "victim" in values:
            rows.append({**place, "method": "victim", "defense": "none", "pairs": 0, **values["victim"]})
    rates = ["attack_success_rate", "clean_accuracy", "oracle_attack_success_rate"]
    return _frame(rows, ["method", "defense", "pairs", *rates, "strength", "is_victim", "optimiser_steps", "seconds"])


def angles(found: pd.DataFrame) -> pd.DataFrame:
    """One row per pair of a victim's own vectors: ``part`` ("both" or "vision"), ``one``, ``other``, ``cosine``."""
    rows = []
    for place, values in _ok(found, "vectors"):
        for part in ("both", "vision"):
            for one, others in values[part]["cosines"].items():
                for other, number in others.items():
                    length = values[part]["norms"][one]
                    rows.append({**place, "part": part, "one": one, "other": other, "cosine": number, "norm": length})
    return _frame(rows, ["part", "one", "other", "cosine", "norm"])


def sketches(found: pd.DataFrame) -> pd.DataFrame:
    """One row per victim and sketched vector: ``vector`` and its ``sketch`` as text."""
    rows = [
        {**place, "vector": vector, "sketch": text}
        for place, values in _ok(found, "vectors")
        for vector, text in values["sketches"].items()
    ]
    return _frame(rows, ["vector", "sketch"])
