"""The two things a caller asks for: the report of a run folder, and its figures."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
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
    """Writes tables, the page, the trade-off and heat map of the first model and data set, and the detectors' figures.

    ``write_figures`` draws the others, and the other figures.

    Raises:
        UserError: the folder has no plan, or a damaged one.
    """
    from reports.boards import boards
    from reports.detection import detection_boards, detections
    from reports.drawing import draw_detection, draw_summary
    from reports.figures.saving import save
    from reports.frames import read
    from reports.page.render import write_page
    from reports.tables.files import write_tables

    frames = read(folder, progress)
    found = boards(frames)
    detected = detection_boards(detections(folder), frames)
    text, files = write_tables(frames, found, folder.report, detected)
    files += (write_page(frames, found, folder.report, detected),)
    for drawn in chain(draw_summary(frames, found), draw_detection(detected, "paper")):
        files += save(drawn, folder.report)
    return ReportFiles(text, tuple(dict.fromkeys(files)))


def write_figures(folder: RunFolder, *, style: str = "paper", progress: Progress | None = None) -> tuple[Path, ...]:
    """Draws every figure into ``folder.report / "figures"``, each as PDF, PNG and CSV.

    Args:
        folder: the run.
        style: "paper" (one column wide) or "slides".
        progress: shows a bar while results are read, and one while figures are drawn.

    Raises:
        UserError: the folder has no plan, or there is no such style.
    """
    from benchmark.progress import Silent
    from reports.boards import boards
    from reports.detection import detection_boards, detections
    from reports.drawing import count, draw_all, draw_detection
    from reports.figures.saving import save
    from reports.figures.style import style_named
    from reports.frames import read

    style_named(style)
    frames = read(folder, progress)
    files: tuple[Path, ...] = ()
    detected = detection_boards(detections(folder), frames)
    with (progress or Silent()).task("drawing figures", count(frames) + len(detected)) as advance:
        for drawn in chain(draw_all(frames, boards(frames), style), draw_detection(detected, style)):
            files += save(drawn, folder.report / "figures")
            advance(1)
    return files
