"""The leaderboard as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from tabulate import tabulate

from reports.frames import Frames
from reports.tables.entries import Entry
from reports.tables.holes import counts, hole_sentences
from reports.tables.layout import LEGEND, Section, Table

WIDTH = 110
_HOLES_SHOWN = 12


def render(frames: Frames, sections: Sequence[Section]) -> str:
    """Every board with its notes, then the holes; ready to print."""
    parts = [wrapped(f"{frames.plan.matrix}: {frames.plan.summary}".rstrip(": "), ""), counts(frames)]
    for section in sections:
        parts += ["", section.title.upper(), *(wrapped(note, "  ") for note in section.notes)]
        for board, main, _ in section.boards:
            parts += ["", f"The defender knows: {board.knowledge}", _table(main)]
            parts += [wrapped(note, "  ") for note in board.notes]
    holes = hole_sentences(frames)
    parts += ["", *(wrapped(f"Hole: {sentence}", "  ") for sentence in holes[:_HOLES_SHOWN])]
    if len(holes) > _HOLES_SHOWN:
        parts.append(f"  ... and {len(holes) - _HOLES_SHOWN} more in leaderboard.md")
    return "\n".join([*parts, wrapped(LEGEND, "")]) + "\n"


def _table(table: Table) -> str:
    headers, rows = table
    cells = [[_text(entry) for entry in row] for row in rows]
    aligned = ["right", "left", *["right"] * (len(headers) - 2)]
    return tabulate(cells, [_broken(h) for h in headers], "simple", disable_numparse=True, colalign=aligned)


def _text(entry: Entry) -> str:
    if not entry.bracket:
        return entry.text
    return f"{entry.text} [{entry.bracket}]" if "," in entry.bracket else f"{entry.text} {entry.bracket}"


def _broken(header: str) -> str:
    """A header of several words over two lines."""
    words = header.split(" ")
    half = len(words) // 2
    return header if len(words) < 2 else "\n".join([" ".join(words[:half]), " ".join(words[half:])])


def wrapped(text: str, indent: str) -> str:
    """Text in lines that fit a terminal."""
    return textwrap.fill(text, WIDTH, initial_indent=indent, subsequent_indent=indent)
