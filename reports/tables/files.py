"""Writes the tables of a run into its report folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmark.runs import write_atomically
from reports.boards import Board
from reports.detection import DetectionBoard, detection_frame
from reports.frames import Frames
from reports.matrix import matrix
from reports.tables import detection, latex, markdown, plain
from reports.tables.layout import sections


def write_tables(
    frames: Frames, boards: Sequence[Board], folder: Path, detected: Sequence[DetectionBoard] = ()
) -> tuple[str, tuple[Path, ...]]:
    """The leaderboard as text, and leaderboard.md, .csv, .tex, by_attack.csv and comparisons.csv on disk.

    The boards of detectors follow in the text and in leaderboard.md, and are detection.csv where there are some.
    """
    by_attack = matrix(frames)
    laid_out = list(sections(boards, by_attack))
    contents = {
        "leaderboard.md": markdown.render(frames, laid_out) + detection.markdown(detected),
        "leaderboard.csv": leaderboard_frame(boards).to_csv(index=False),
        "leaderboard.tex": latex.render(frames, laid_out),
        "by_attack.csv": by_attack.to_csv(index=False),
        "comparisons.csv": _tagged(boards, [board.pairs for board in boards]).to_csv(index=False),
    }
    if detected:
        contents["detection.csv"] = detection_frame(detected).to_csv(index=False)
    for name, content in contents.items():
        write_atomically(folder / name, content.encode())
    return plain.render(frames, laid_out) + detection.plain(detected), tuple(folder / name for name in contents)


def leaderboard_frame(boards: Sequence[Board]) -> pd.DataFrame:
    """All boards under each other; the victim and the clean model have ``reference`` true and no rank."""
    rows = []
    for board in boards:
        references = board.references.reindex(columns=board.rows.columns).assign(unranked="reference")
        rows.append(pd.concat([board.rows.assign(reference=False), references.assign(reference=True)]))
    return _tagged(boards, rows)


def _tagged(boards: Sequence[Board], tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The tables under each other, each row with the board that it belongs to."""
    found = [
        table.assign(model=board.model, dataset=board.dataset, knowledge=board.knowledge, budget=board.budget)
        for board, table in zip(boards, tables, strict=True)
    ]
    if not found:
        return pd.DataFrame()
    joined = pd.concat(found, ignore_index=True)
    first = ["model", "dataset", "knowledge", "budget"]
    return joined[[*first, *(name for name in joined.columns if name not in first)]]
