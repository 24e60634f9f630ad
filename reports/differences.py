"""Two runs side by side: which cells are new, gone or changed, and whether by more than the test images can say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from benchmark.agreement import at_pick, same_numbers, same_outcomes
from benchmark.progress import Progress, Silent
from benchmark.results import BITS, CellId, Outcomes, Result
from benchmark.runs import RunFolder
from reports.statistics.intervals import CONFIDENCE

NEW, GONE, CHANGED, SAME = "new", "gone", "changed", "same"
RATES = {
    "success": ("attack_success_rate", "success", "test_other"),
    "clean": ("clean_accuracy", "clean_right", "test"),
}
"""Name in the table -> metric, stored bit, and the count that it is a share of."""

Stored = tuple[Result, Outcomes | None]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Differences:
    """What differs between two runs.

    Attributes:
        table: one row per cell that is new, gone or changed, changes beyond noise first; for either rate the values
            ``_before`` and ``_after``, their ``_difference``, its 95 % interval ``_low`` to ``_high`` and whether it
            lies ``_beyond`` noise, that is, whether the interval leaves out zero.
        counts: cells by what became of them, the unchanged ones included.
    """

    table: pd.DataFrame
    counts: Counter[str]

    @property
    def beyond(self) -> int:
        return int(self.table[[f"{name}_beyond" for name in RATES]].any(axis=1).sum())

    @property
    def summary(self) -> str:
        """One line."""
        found = self.counts
        parts = f"{found[NEW]} new, {found[GONE]} gone, {found[CHANGED]} changed"
        return f"{found.total()} cells: {parts} ({self.beyond} beyond noise), {found[SAME]} the same"


def compare_runs(before: RunFolder, after: RunFolder, progress: Progress | None = None) -> Differences:
    """Holds the results of two runs against each other, cell by cell, whatever code computed them.

    Raises:
        UserError: one of the folders has no plan, or a damaged one.
    """
    old, new = (_stored(folder, progress or Silent()) for folder in (before, after))
    rows, counts = [], Counter[str]()
    for cell in dict.fromkeys((*old, *new)):
        row = _row(cell, old.get(cell), new.get(cell))
        counts[row["change"]] += 1
        rows += [] if row["change"] == SAME else [row]
    table = pd.DataFrame(rows, columns=_columns())
    beyond = table[[f"{name}_beyond" for name in RATES]].any(axis=1)
    size = table["success_difference"].abs().fillna(-1)
    order = table.assign(quiet=~beyond, size=-size).sort_values(["quiet", "size", "cell"]).index
    return Differences(table.loc[order].reset_index(drop=True), counts)


def _columns() -> list[str]:
    ends = ("before", "after", "difference", "low", "high", "beyond")
    states = ["change", "status_before", "status_after", "interval"]
    return ["cell", *CellId.model_fields, *states, *(f"{name}_{end}" for name in RATES for end in ends)]


def _stored(folder: RunFolder, progress: Progress) -> dict[CellId, Stored]:
    """Results by cell; cells that were never computed are left out."""
    found: dict[CellId, Stored] = {}
    plan = folder.plan()
    with progress.task(f"reading {folder.path.name}", len(plan.cells)) as advance:
        for planned in plan.cells:
            if (result := folder.whole(planned.key)) is not None:
                found[planned.cell] = result, folder.outcomes(planned.key)
            advance(1)
    return found


def _row(cell: CellId, before: Stored | None, after: Stored | None) -> dict[str, Any]:
    row: dict[str, Any] = {"cell": cell.text, **cell.model_dump(), "interval": ""}
    for end, stored in (("before", before), ("after", after)):
        row[f"status_{end}"] = "" if stored is None else stored[0].status
        if stored is not None and stored[0].status == "ok":
            row |= {f"{name}_{end}": getattr(at_pick(stored[0]), metric) for name, (metric, *_) in RATES.items()}
    row |= {f"{name}_beyond": False for name in RATES}
    if before is None or after is None:
        return row | {"change": GONE if after is None else NEW}
    if same_numbers(before[0], after[0], across_versions=True) and same_outcomes(before[1], after[1]):
        return row | {"change": SAME}
    row["change"] = CHANGED
    if before[0].status == after[0].status == "ok":
        row |= _intervals(before, after)
    return row


def _intervals(before: Stored, after: Stored) -> dict[str, Any]:
    """Paired over images where both results are of the same ones, from the two counts otherwise."""
    paired = _same_images(before, after)
    found: dict[str, Any] = {"interval": "paired" if paired else "unpaired"}
    for name, (metric, bit, count) in RATES.items():
        old, new = (getattr(at_pick(result), metric) for result, _ in (before, after))
        if paired:
            low, high = paired_interval(*_flags(before, bit), *_flags(after, bit))
        else:
            low, high = unpaired_interval(old, getattr(before[0].counts, count), new, getattr(after[0].counts, count))
        found |= {f"{name}_difference": new - old, f"{name}_low": low, f"{name}_high": high}
        found[f"{name}_beyond"] = bool(low > 0 or high < 0)
    return found


def _same_images(before: Stored, after: Stored) -> bool:
    (one, bits), (other, other_bits) = before, after
    if bits is None or other_bits is None or not np.array_equal(bits.test_other, other_bits.test_other):
        return False
    origins = [(result.resolved.get("dataset"), _dataset_code(result)) for result in (one, other)]
    return origins[0] == origins[1]


def _dataset_code(result: Result) -> str:
    return "" if result.provenance is None else result.provenance.plugins.get("dataset", "")


def _flags(stored: Stored, bit: str) -> Iterator[Flags]:
    """One outcome at the blind pick, of the images that its rate is over (n,)."""
    result, outcomes = stored
    assert outcomes is not None and result.picks is not None
    flags = outcomes.test[1 + result.picks.blind, BITS.index(bit)]
    yield flags[outcomes.test_other] if bit == "success" else flags


def paired_interval(before: Flags, after: Flags) -> tuple[float, float]:
    """Interval of the difference of two rates over the same images (n,), from the images that changed sides.

    Exact given their number (Clopper and Pearson, doi:10.1093/biomet/26.4.404), so that it leaves out zero where
    McNemar's exact test rejects at 5 %.
    """
    gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
    if not gained + lost:
        return 0.0, 0.0
    low, high = proportion_confint(gained, gained + lost, alpha=1 - CONFIDENCE, method="beta")
    share = (gained + lost) / len(before)
    return float((2 * low - 1) * share), float((2 * high - 1) * share)


def unpaired_interval(before: float, images_before: int, after: float, images_after: int) -> tuple[float, float]:
    """Newcombe's interval of the difference of two rates over different images; NaN where there are none."""
    if not images_before or not images_after:
        return np.nan, np.nan
    hits = round(after * images_after), images_after, round(before * images_before), images_before
    low, high = confint_proportions_2indep(*hits, method="newcomb", compare="diff", alpha=1 - CONFIDENCE)
    return float(low), float(high)
