"""The leaderboard as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tabulate import tabulate

from reports.frames import Frames
from reports.tables.entries import Entry
from reports.tables.holes import counts, hole_sentences
from reports.tables.layout import DETAIL_LEGEND, LEGEND, MATRIX_LEGEND, Section, Table


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, in a table too."""
    return re.sub(r"([\\`*_{}\[\]<>|~])", r"\\\1", text).replace("\n", " ")


def render(frames: Frames, sections: Sequence[Section]) -> str:
    """Boards, details, the attack x defense matrix and every hole."""
    plan = frames.plan
    parts = [f"# Leaderboard of {escaped(plan.matrix)}", escaped(plan.summary), escaped(counts(frames)), LEGEND]
    for section in sections:
        parts += [f"## {escaped(section.title)}", _list(section.notes)]
        for board, main, _ in section.boards:
            parts += [f"### The defender knows: {escaped(board.knowledge)}", _table(main), _list(board.notes)]
    parts += ["## Details", DETAIL_LEGEND]
    for section in sections:
        for board, _, detail in section.boards:
            parts += [f"### {escaped(board.title)}", _table(detail)]
    parts += ["## Success by attack", MATRIX_LEGEND]
    for section in sections:
        parts += [f"### {escaped(section.title)}: all attacks", _table(section.by_attack)]
    parts += ["## Holes", _list(hole_sentences(frames)) or "None."]
    return "\n\n".join(part for part in parts if part) + "\n"


def _list(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {escaped(sentence)}" for sentence in sentences)


def _table(table: Table) -> str:
    headers, rows = table
    cells = [[_text(entry) for entry in row] for row in rows]
    aligned = ["left" if header == "Defense" else "right" for header in headers]
    return tabulate(cells, [escaped(h) for h in headers], "pipe", disable_numparse=True, colalign=aligned)


def _text(entry: Entry) -> str:
    shown = f"**{escaped(entry.text)}**" if entry.bold else escaped(entry.text)
    if not entry.bracket:
        return shown
    return f"{shown} \\[{entry.bracket}\\]" if "," in entry.bracket else f"{shown} {escaped(entry.bracket)}"
