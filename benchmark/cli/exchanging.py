"""Commands that move results between machines: out of a run folder into one file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import Runs, run_folder


def export_results(matrix: str, file: Path, runs: Runs = Path("runs")) -> None:
    """Write the plan, results, per-image outcomes and findings of a run into one zip file."""
    from benchmark.console import Bars, say
    from benchmark.exchange.exporting import export_results

    with Bars() as bars:
        exported = export_results(run_folder(runs, matrix), file, bars)
    findings = f" and {exported.findings} findings" if exported.findings else ""
    holes = f", {exported.missing} are missing" if exported.missing else ""
    say(f"{exported.results} results{findings} in {file}{holes}")


def import_results(
    file: Path,
    runs: Runs = Path("runs"),
    name: Annotated[str, typer.Option("--as", help="Name of the run folder [default: the matrix's].")] = "",
) -> None:
    """Take an exported run into a run folder: checked, all of it or nothing, and never over other results."""
    from benchmark.console import say
    from benchmark.exchange.importing import import_results

    imported = import_results(file, runs, name)
    there = f", {imported.present} were there already" if imported.present else ""
    say(f"{imported.added} results imported into {imported.folder.path}{there}")


def register(app: typer.Typer) -> None:
    app.command("export-results")(export_results)
    app.command("import-results")(import_results)
