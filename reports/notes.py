"""Sentences below a board: which victims are left out, what is missing, and what to make of the ranks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import pandas as pd

from reports.held_out import split_note
from reports.scores import Blocks
from reports.statistics.comparisons import LEVEL
from reports.statistics.intervals import MEANING
from reports.summaries import ACCEPTED, NO_VICTIM, PENDING, WEAK


def board_notes(
    cells: pd.DataFrame, rows: pd.DataFrame, blocks: Blocks, smallest: float, held_out: Sequence[str] = ()
) -> tuple[str, ...]:
    """What a reader of one board has to know beside its numbers."""
    notes = [_repeats(rows, blocks)] if len(blocks) else []
    if sides := split_note(blocks.names, held_out):
        notes.append(sides)
    ranked = int((rows["unranked"] == "").sum())
    if ranked > 1 and smallest * (ranked * (ranked - 1) / 2) > LEVEL:
        notes.append(
            f"{len(blocks)} blocks (attack x seed) and {ranked} ranked methods are too few for any difference to pass "
            f"Holm's correction at {LEVEL:g}; ties here mean too little data, not equality."
        )
    unranked = [f"{row['method']} ({row['unranked']})" for row in rows.to_dict("records") if row["unranked"]]
    notes += _stops(rows)
    if unranked:
        notes.append(f"Not ranked: {'; '.join(unranked)}.")
    return (*notes, *_versions(cells))


def _stops(rows: pd.DataFrame) -> list[str]:
    """Methods whose curves leave the budget and come back, as fine-tuning does that recovers in later epochs."""
    early = [
        f"{row['method']} ({row['stops_early']} of {row['cells_ok']} cells, {100 * row['last_success']:.1f} %)"
        for row in rows.to_dict("records")
        if row["stops_early"]
    ]
    if not early:
        return []
    return [
        "The blind walk stops at the first point that exceeds the budget, though a later one is within it again; "
        f"with the last such point instead, success would be: {', '.join(early)}."
    ]


def _repeats(rows: pd.DataFrame, blocks: Blocks) -> str:
    """The n behind every number, and what the brackets are; methods whose interval is of another kind are named."""
    images = int(rows["images"].max()) if rows["images"].notna().any() else 0
    seeds = sorted({blocks.attacks.count(name) for name in blocks.names})
    each = f"{seeds[0]} to {seeds[-1]} seeds" if len(seeds) > 1 else f"{seeds[0]} seed{'s' if seeds[0] > 1 else ''}"
    start = f"n = {_counted(len(blocks), 'victim')} ({_counted(len(blocks.names), 'attack')}, {each}), {images} images"
    kinds = rows.loc[rows["success_interval"] != "none", "success_interval"]
    if kinds.empty:
        return f"{start}."
    main = kinds.mode().iloc[0]
    parts = [f"{start}; brackets: 95 %, {MEANING[main]}"]
    for kind in sorted(set(kinds) - {main}):
        names = ", ".join(rows.loc[kinds.index[kinds == kind], "method"])
        parts.append(f"for {names}: {MEANING[kind]}")
    return f"{'; '.join(parts)}."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def victim_notes(known: pd.DataFrame) -> list[str]:
    """Which victims of a model and data set are not ranked on, and why."""
    notes = []
    for state, words in (
        (WEAK, "weak, shown but not ranked on"),
        (NO_VICTIM, "never trained, every cell was skipped or failed"),
        (PENDING, "not measured yet, so nothing that misses it is ranked"),
    ):
        chosen = known[known["state"] == state]
        if len(chosen):
            notes.append(f"Victims {words}: {'; '.join(_victim_list(chosen))}.")
    if not (known["state"] == ACCEPTED).any():
        notes.append("No victim of this model and data set is accepted.")
    return notes


def _victim_list(chosen: pd.DataFrame) -> list[str]:
    found = []
    for (attack, reason), group in chosen.groupby(["attack", "reason"], sort=True):
        seeds = ", ".join(str(seed) for seed in sorted(group["seed"]))
        found.append(f"{attack} seed {seeds}" + (f" ({reason})" if reason else ""))
    return found


def _versions(cells: pd.DataFrame) -> list[str]:
    """A sentence for every plugin, and for the metrics, that the cells of a board have in several versions."""
    seen: dict[tuple[str, str], set[str]] = defaultdict(set)
    names = zip(*(cells[kind] for kind in ("attack", "defense", "dataset", "source", "plugins")), strict=True)
    for attack, defense, dataset, source, plugins in names:
        named = {"attack": attack, "defense": defense, "dataset": dataset, "inverter": source}
        for kind, version in plugins if isinstance(plugins, tuple) else ():
            seen[kind, named.get(kind, "")].add(version)
    notes = [
        f"Cells come from {len(versions)} versions of the {kind} '{name}'; run the matrix again before comparing."
        for (kind, name), versions in sorted(seen.items())
        if len(versions) > 1
    ]
    metrics = sorted({int(version) for version in cells["metric_version"].dropna()})
    if len(metrics) > 1:
        notes.append(f"Cells were measured under different metric versions ({', '.join(map(str, metrics))}).")
    return notes
