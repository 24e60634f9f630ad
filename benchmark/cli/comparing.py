"""The command that holds two runs against each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from benchmark.cli.options import Runs
from benchmark.errors import UserError

File = Annotated[Path | None, typer.Option("--csv", help="Also write every number of the table to this file.")]


def diff(run_a: str, run_b: str, runs: Runs = Path("runs"), csv: File = None) -> None:
    """Say which cells of two runs are new, gone or changed, and whether by more than noise.

    RUN_A and RUN_B are run folders, by path or by their names under --runs.
    """
    from benchmark.console import Bars, say
    from benchmark.runs import write_atomically
    from reports.differences import compare_runs
    from reports.tables.differences import render

    with Bars() as bars:
        found = compare_runs(_run(run_a, runs), _run(run_b, runs), bars)
    say(render(found))
    if csv is not None:
        write_atomically(csv, found.table.to_csv(index=False).encode())


def _run(name: str, runs: Path) -> Any:
    from benchmark.runs import RunFolder

    for path in (Path(name), runs / name, runs / Path(name).stem):
        if (path / "plan.json").is_file():
            return RunFolder(path)
    raise UserError(f"there is no run '{name}', neither as a folder nor in '{runs}'; name a run folder")


def register(app: typer.Typer) -> None:
    app.command()(diff)
