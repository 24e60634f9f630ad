"""Commands around a matrix: plan, run, status, report; and training an embedded model by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from benchmark.cli.options import (
    Data,
    Device,
    Estimate,
    Only,
    Plugin,
    Published,
    Retry,
    Runs,
    StoreOption,
    data_options,
    open_store,
    prepared,
    run_folder,
    stoppable,
    take_published,
)
from benchmark.errors import UserError


def plan(
    matrix: str, runs: Runs = Path("runs"), store: StoreOption = None, plugin: Plugin = None, data: Data = None
) -> None:
    """Show the cells of a matrix, the stages to train, and what is cached."""
    from benchmark.bill import bill
    from benchmark.console import console
    from benchmark.planning import plan_of
    from benchmark.views import plan_summary

    ready = prepared(matrix, plugin, data)
    folder = run_folder(runs, ready.matrix.name)
    folder.write_plan(plan_of(*ready))
    opened = open_store(store)
    console.print(plan_summary(ready.jobs, ready.studies, folder, opened), "", bill(ready.jobs, opened.has), sep="\n")


def run(
    matrix: str,
    only: Only = None,
    device: Device = "auto",
    runs: Runs = Path("runs"),
    store: StoreOption = None,
    plugin: Plugin = None,
    data: Data = None,
    retry: Retry = "",
    estimate: Estimate = False,
) -> None:
    """Compute what is missing of a matrix; a finished matrix computes nothing."""
    from benchmark.bill import bill
    from benchmark.console import Bars, console, say
    from benchmark.runner import Runner, choose_device, selected

    if retry not in ("", "failed"):
        raise UserError(f"--retry {retry}: only 'failed' can be retried")
    ready = prepared(matrix, plugin, data)
    chosen, chosen_studies = selected(ready.jobs, ready.studies, only or ())
    if estimate:
        console.print(bill(chosen, open_store(store).has))
        return
    folder = run_folder(runs, ready.matrix.name)
    with stoppable(), Bars() as bars:
        runner = Runner(folder, open_store(store), choose_device(device), bars)
        counts = runner.run(
            ready.matrix,
            ready.jobs,
            chosen,
            retry_failed=retry == "failed",
            told=_tell,
            studies=ready.studies,
            chosen_studies=chosen_studies,
        )
    say(", ".join(f"{count} {status}" for status, count in sorted(counts.items())) + f" in {folder.path}")


def _tell(result: Any) -> None:
    from benchmark.console import say
    from benchmark.views import result_line

    say(result_line(result))


def status(matrix: str, runs: Runs = Path("runs")) -> None:
    """Count the cells of a run by status, and name what failed and why."""
    from benchmark.console import console
    from benchmark.views import status_summary

    console.print(status_summary(run_folder(runs, matrix)))


def report(matrix: str, runs: Runs = Path("runs"), published: Published = False) -> None:
    """Write tables and figures of a run, from its results alone, and print the leaderboard."""
    from benchmark.console import Bars, say
    from reports.api import write_report

    if published:
        take_published(matrix, runs)
    with Bars() as bars:
        written = write_report(run_folder(runs, matrix), progress=bars)
    say(written.text)
    for path in written.files:
        say(str(path))


def pretrain(
    model: str, matrix: str = "quick", device: Device = "auto", store: StoreOption = None, data: Data = None
) -> None:
    """Train an embedded model (or load another) as a matrix would, and keep it in the store."""
    from benchmark.console import Bars, say
    from benchmark.pretraining import pretrain_model

    with stoppable(), Bars() as bars:
        say(pretrain_model(model, matrix, data_options(data or []), open_store(store), device, bars))


def register(app: typer.Typer) -> None:
    for command in (plan, run, status, report, pretrain):
        app.command()(command)
