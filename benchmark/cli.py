"""The command line ``clipdefense``; every command imports what it needs when it runs, so that starting is instant."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmark.errors import ClipdefenseError, Stopped, UserError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="How much of a backdoor does a defense remove from a CLIP model, and what does it cost in clean ability?",
)
store_app = typer.Typer(no_args_is_help=True, help="Look after the store of trained artifacts.")
app.add_typer(store_app, name="store")

Runs = Annotated[Path, typer.Option("--runs", help="Folder of run folders.")]
StoreOption = Annotated[
    Path | None, typer.Option("--store", help="Store of trained artifacts [default: CLIPDEFENSE_STORE or user cache].")
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda:0.")]
Plugin = Annotated[list[str] | None, typer.Option("--plugin", help="A plugin from a loose file, file.py:Class.")]
Only = Annotated[
    list[str] | None, typer.Option("--only", help="dimension=value, such as defense=finetune; repeatable.")
]
Data = Annotated[
    list[str] | None, typer.Option("--data", help="DATASET=PATH reads a data set from there; DATASET.option=value.")
]
Retry = Annotated[str, typer.Option("--retry", help="'failed' computes failed cells again.")]


class Listable(StrEnum):
    attacks = "attacks"
    defenses = "defenses"
    inverters = "inverters"
    datasets = "datasets"
    models = "models"
    matrices = "matrices"


def _registry(plugins: list[str] | None) -> Any:
    from benchmark.registry import Registry

    return Registry(plugins or ())


@app.command("list")
def list_(what: Listable, plugin: Plugin = None) -> None:
    """List what is installed, by name and origin."""
    from benchmark.console import console
    from benchmark.listing import listing

    console.print(listing(what.value, _registry(plugin)))


@app.command()
def show(name: str, plugin: Plugin = None) -> None:
    """Show a plugin: what it needs, its paper, its parameters, how it differs from the paper."""
    from benchmark.console import say
    from benchmark.listing import description

    say(description(name, _registry(plugin)))


def _prepared(matrix: str, plugin: list[str] | None, data: list[str] | None) -> tuple[Any, list[Any]]:
    from benchmark.matrix import load_matrix, with_loose
    from benchmark.planning import make_jobs

    registry = _registry(plugin)
    loaded = with_loose(load_matrix(matrix), registry)
    return loaded, make_jobs(loaded, registry, _data_options(data or []))


def _data_options(choices: list[str]) -> dict[str, dict[str, Any]]:
    options: dict[str, dict[str, Any]] = {}
    for choice in choices:
        name, separator, value = choice.partition("=")
        if not separator or not value:
            raise UserError(f"--data {choice}: write DATASET=PATH or DATASET.option=value")
        dataset, _, option = name.partition(".")
        if not option and not Path(value).exists():
            raise UserError(f"--data {choice}: there is no file or folder '{value}'")
        options.setdefault(dataset, {})[option or "path"] = _typed(value) if option else value
    return options


def _typed(value: str) -> Any:
    """A number or a boolean as TOML writes it; everything else is text."""
    import tomllib

    try:
        found = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value
    return found if isinstance(found, bool | int | float) else value


def _open_store(path: Path | None) -> Any:
    from benchmark.store import Store, default_store

    root = path or default_store()
    os.environ["CLIPDEFENSE_STORE"] = str(root)
    return Store(root)


def _folder(runs: Path, matrix: str) -> Any:
    from benchmark.runs import RunFolder

    return RunFolder(runs / Path(matrix).stem)


@app.command()
def plan(
    matrix: str, runs: Runs = Path("runs"), store: StoreOption = None, plugin: Plugin = None, data: Data = None
) -> None:
    """Show the cells of a matrix, the stages to train, and what is cached."""
    from benchmark.console import console
    from benchmark.planning import plan_of
    from benchmark.views import plan_summary

    loaded, jobs = _prepared(matrix, plugin, data)
    folder = _folder(runs, loaded.name)
    folder.write_plan(plan_of(loaded, jobs))
    console.print(plan_summary(jobs, folder, _open_store(store)))


@app.command()
def run(
    matrix: str,
    only: Only = None,
    device: Device = "auto",
    runs: Runs = Path("runs"),
    store: StoreOption = None,
    plugin: Plugin = None,
    data: Data = None,
    retry: Retry = "",
) -> None:
    """Compute what is missing of a matrix; a finished matrix computes nothing."""
    from benchmark.console import Bars, say
    from benchmark.runner import Runner, choose_device, selected

    if retry not in ("", "failed"):
        raise UserError(f"--retry {retry}: only 'failed' can be retried")
    loaded, jobs = _prepared(matrix, plugin, data)
    chosen, folder = selected(jobs, only or ()), _folder(runs, loaded.name)
    with _stoppable(), Bars() as bars:
        runner = Runner(folder, _open_store(store), choose_device(device), bars)
        counts = runner.run(loaded, jobs, chosen, retry_failed=retry == "failed", told=_tell)
    say(", ".join(f"{count} {status}" for status, count in sorted(counts.items())) + f" in {folder.path}")


@contextmanager
def _stoppable() -> Iterator[None]:
    """Ctrl-C, or being asked to terminate, ends in a sentence; everything finished so far is in the store already."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise Stopped("stopped; the next run goes on from here") from interrupt


def _tell(result: Any) -> None:
    from benchmark.console import say
    from benchmark.views import result_line

    say(result_line(result))


@app.command()
def status(matrix: str, runs: Runs = Path("runs")) -> None:
    """Count the cells of a run by status, and name what failed and why."""
    from benchmark.console import console
    from benchmark.views import status_summary

    console.print(status_summary(_folder(runs, matrix)))


@app.command()
def report(matrix: str, runs: Runs = Path("runs")) -> None:
    """Write tables and figures of a run, from its results alone, and print the leaderboard."""
    from benchmark.console import say
    from reports.api import write_report

    written = write_report(_folder(runs, matrix))
    say(written.text)
    for path in written.files:
        say(str(path))


@app.command()
def check(name: str, plugin: Plugin = None) -> None:
    """Run the contract over a plugin: does it keep the promises that the benchmark relies on?"""
    from benchmark.checking import check_plugin
    from benchmark.console import say

    broken = 0
    for line, kept in check_plugin(name, _registry(plugin)):
        say(line)
        broken += not kept
    if broken:
        raise ClipdefenseError(f"'{name}' breaks {broken} of its promises")


@app.command()
def pretrain(
    model: str, matrix: str = "quick", device: Device = "auto", store: StoreOption = None, data: Data = None
) -> None:
    """Train an embedded model (or load another) as a matrix would, and keep it in the store."""
    from benchmark.console import Bars, say
    from benchmark.pretraining import pretrain_model

    with _stoppable(), Bars() as bars:
        say(pretrain_model(model, matrix, _data_options(data or []), _open_store(store), device, bars))


@store_app.command("prune")
def store_prune(
    runs: Runs = Path("runs"),
    store: StoreOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
) -> None:
    """Remove trained artifacts that no run folder's plan refers to."""
    from benchmark.console import say
    from benchmark.housekeeping import prune
    from benchmark.runs import RunFolder

    folders = [RunFolder(path.parent) for path in sorted(runs.glob("*/plan.json"))]
    if not folders:
        raise UserError(f"there is no plan in '{runs}', so everything would go; name your run folders with --runs")
    count, size = prune(_open_store(store), folders, dry=dry_run)
    say(
        f"{'would remove' if dry_run else 'removed'} {count} artifacts, {size / 1e6:.1f} MB ({len(folders)} plans kept)"
    )


def main() -> None:
    """Runs the command line; mistakes end in one sentence and exit code 2, failures in one and exit code 1."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        _check_packages()
        app(args=arguments, prog_name="clipdefense")
    except ClipdefenseError as error:
        if debug:
            raise
        _end(str(error), error.exit_code)
    except Exception as error:
        if debug:
            raise
        _end(f"{type(error).__name__}: {error} (run again with --debug for the traceback)", 1)


def _end(sentence: str, code: int) -> None:
    from benchmark.console import complain

    complain(sentence)
    sys.exit(code)


def _check_packages() -> None:
    """The four packages must be the ones that belong together, not a stray ``benchmark.py``."""
    from importlib.util import find_spec

    parents = set()
    for name in ("benchmark", "attacks", "defenses", "reports"):
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise UserError(f"package '{name}' is not installed; install clipdefense again")
        parents.add(Path(spec.origin).resolve().parent.parent)
    if len(parents) > 1:
        places = ", ".join(sorted(str(parent) for parent in parents))
        raise UserError(f"the packages of clipdefense come from different folders ({places}); remove the stray one")
