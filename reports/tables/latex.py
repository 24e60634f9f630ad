"""The leaderboard as LaTeX: booktabs tables ready to include."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from reports.frames import Frames
from reports.tables.entries import DASH, Entry
from reports.tables.holes import counts, hole_sentences
from reports.tables.layout import DETAIL_LEGEND, LEGEND, MATRIX_LEGEND, Section, Table

PREAMBLE = r"% Needs \usepackage{booktabs}, \usepackage{graphicx} and \usepackage[T1]{fontenc}."
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "\N{EN DASH}": "--",
    "\N{EM DASH}": "---",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{character: f"{{{character}}}" for character in "[]*"},  # after a line break or an item they would be an option
}
_LATIN = {letter for letter in map(chr, range(0xC0, 0x180)) if letter.isalpha()} - set("ĦħĸĿŀŉŦŧſ")
"""Letters of the T1 encoding; others are spelt by their code point."""


def escaped(text: str) -> str:
    """Text that LaTeX sets as it is; control characters become spaces."""
    return "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    if character in _SPECIAL or " " <= character <= "~":
        return _SPECIAL.get(character, character)
    if character in _LATIN:
        return character
    plain = unicodedata.normalize("NFKD", character)
    if plain != character and plain.isascii():
        return escaped(plain)
    return " " if not character.isprintable() else f"U+{ord(character):04X}"


def render(frames: Frames, sections: Sequence[Section]) -> str:
    """One table per board, one with its details, one with success by attack, then the holes."""
    flushed = [r"\clearpage"] if len(sections) > 1 else []  # LaTeX gives up on hundreds of floats without a page
    parts = [PREAMBLE, _paragraph(f"{frames.plan.matrix}.", counts(frames), LEGEND)]
    for section in sections:
        parts += [_paragraph(f"{section.title}.", *section.notes)] if section.notes else []
        parts += [_environment(main, f"{board.title}.", *board.notes) for board, main, _ in section.boards]
        parts += flushed
    parts.append(_paragraph("Details.", DETAIL_LEGEND))
    for section in sections:
        parts += [_environment(detail, f"Details: {board.title}.") for board, _, detail in section.boards]
        parts += [_environment(section.by_attack, f"{section.title}.", MATRIX_LEGEND), *flushed]
    holes = hole_sentences(frames)
    if holes:
        items = "\n".join(f"  \\item {escaped(sentence)}" for sentence in holes)
        parts.append(f"\\paragraph{{Holes}}\n\\begin{{itemize}}\n{items}\n\\end{{itemize}}")
    return "\n\n".join(parts) + "\n"


def _paragraph(title: str, *sentences: str) -> str:
    return f"\\paragraph{{{escaped(title)}}} {escaped(' '.join(sentences))}"


def _environment(table: Table, *caption: str) -> str:
    headers, rows = table
    columns = "".join("l" if header == "Defense" else "r" for header in headers)
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            f"\\caption{{{escaped(' '.join(caption))}}}\\smallskip",
            r"\resizebox{\linewidth}{!}{%",
            f"\\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            " & ".join(escaped(header) for header in headers) + r" \\",
            r"\midrule",
            *(" & ".join(_text(entry) for entry in row) + r" \\" for row in rows),
            r"\bottomrule",
            r"\end{tabular}%",
            "}",
            r"\end{table}",
        ]
    )


def _text(entry: Entry) -> str:
    text = "--" if entry.text == DASH else escaped(entry.text)
    shown = f"\\textbf{{{text}}}" if entry.bold else text
    if not entry.bracket:
        return shown
    bracket = f"[{entry.bracket}]" if "," in entry.bracket else escaped(entry.bracket)
    return f"{shown}\\textsubscript{{{bracket}}}"
