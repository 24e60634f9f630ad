"""The command that draws the figures of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import Runs, run_folder


def figures(
    matrix: str,
    style: Annotated[str, typer.Option("--style", help="paper (one column wide) or slides.")] = "paper",
    runs: Runs = Path("runs"),
) -> None:
    """Draw every figure of a run as PDF, PNG and CSV, from its results alone."""
    from benchmark.console import Bars, say
    from reports.api import write_figures

    with Bars() as bars:
        written = write_figures(run_folder(runs, matrix), style=style, progress=bars)
    for path in written:
        say(str(path))


def register(app: typer.Typer) -> None:
    app.command()(figures)
