"""The two things a caller asks for: the report of a run folder, and its figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmark.progress import Progress
    from benchmark.runs import RunFolder


@dataclass(frozen=True)
class ReportFiles:
    """The leaderboard as text ready to print, and every file that was written."""

    text: str
    files: tuple[Path, ...]


def write_report(folder: RunFolder, *, progress: Progress | None = None) -> ReportFiles:
    """Writes tables, the page, and the trade-off and heat map of the first model and data set into ``folder.report``.

    ``write_figures`` draws the others, and the other figures.

    Raises:
        UserError: the folder has no plan, or a damaged one.
    """
    from reports.boards import boards
    from reports.drawing import draw_summary
    from reports.figures.saving import save
    from reports.frames import read
    from reports.page.render import write_page
    from reports.tables.files import write_tables

    frames = read(folder, progress)
    found = boards(frames)
    text, files = write_tables(frames, found, folder.report)
    files += (write_page(frames, found, folder.report),)
    for drawn in draw_summary(frames, found):
        files += save(drawn, folder.report)
    return ReportFiles(text, files)


def write_figures(folder: RunFolder, *, style: str = "paper") -> tuple[Path, ...]:
    """Draws every figure into ``folder.report / "figures"``, each as PDF, PNG and CSV.

    Args:
        folder: the run.
        style: "paper" (one column wide) or "slides".

    Raises:
        UserError: the folder has no plan, or there is no such style.
    """
    from reports.boards import boards
    from reports.drawing import draw_all
    from reports.figures.saving import save
    from reports.frames import read

    frames = read(folder)
    files: tuple[Path, ...] = ()
    for drawn in draw_all(frames, boards(frames), style):
        files += save(drawn, folder.report / "figures")
    return files
