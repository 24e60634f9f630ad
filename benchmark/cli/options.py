"""Options that several commands share, and what they are turned into."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from benchmark.errors import Stopped, UserError

Runs = Annotated[Path, typer.Option("--runs", help="Folder of run folders.")]
StoreOption = Annotated[
    Path | None, typer.Option("--store", help="Store of trained artifacts; else CLIPDEFENSE_STORE or the user's cache.")
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda:0.")]
Plugin = Annotated[list[str] | None, typer.Option("--plugin", help="A plugin from a loose file, file.py:Class.")]
Only = Annotated[
    list[str] | None, typer.Option("--only", help="dimension=value, such as defense=finetune; repeatable.")
]
Data = Annotated[
    list[str] | None, typer.Option("--data", help="DATASET=PATH reads a data set from there; DATASET.option=value.")
]
Published = Annotated[bool, typer.Option("--published", help="MATRIX names results that come with clipdefense.")]
Estimate = Annotated[bool, typer.Option("--estimate", help="Print hours, disk and downloads, and compute nothing.")]
Retry = Annotated[str, typer.Option("--retry", help="'failed' computes failed cells again.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what is there.")]


def registry_of(plugins: list[str] | None) -> Any:
    from benchmark.registry import Registry

    return Registry(plugins or ())


class Prepared(NamedTuple):
    """A matrix with its jobs and studies."""

    matrix: Any
    jobs: list[Any]
    studies: list[Any]


def prepared(matrix: str, plugin: list[str] | None, data: list[str] | None) -> Prepared:
    from benchmark.matrix import load_matrix, with_loose
    from benchmark.planning import make_jobs, make_studies

    registry = registry_of(plugin)
    loaded = with_loose(load_matrix(matrix), registry)
    jobs = make_jobs(loaded, registry, data_options(data or []))
    return Prepared(loaded, jobs, make_studies(loaded, registry, jobs))


def data_options(choices: list[str]) -> dict[str, dict[str, Any]]:
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


def settings(choices: list[str]) -> dict[str, Any]:
    """``name=value`` choices as parameters."""
    found: dict[str, Any] = {}
    for choice in choices:
        name, separator, value = choice.partition("=")
        if not separator or not name:
            raise UserError(f"--set {choice}: write name=value")
        found[name] = _typed(value)
    return found


def _typed(value: str) -> Any:
    """A number or a boolean as TOML writes it; everything else is text."""
    import tomllib

    try:
        found = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value
    return found if isinstance(found, bool | int | float) else value


def open_store(path: Path | None) -> Any:
    from benchmark.store import Store, default_store

    root = path or default_store()
    os.environ["CLIPDEFENSE_STORE"] = str(root)
    return Store(root)


def run_folder(runs: Path, matrix: str) -> Any:
    from benchmark.runs import RunFolder

    return RunFolder(runs / Path(matrix).stem)


def take_published(name: str, runs: Path) -> None:
    """Imports results that come with the project into the run folder of their name, where they are not there yet."""
    from benchmark.exchange.importing import import_results
    from reports.published import published_file

    import_results(published_file(name), runs, name)


@contextmanager
def stoppable(left: str = "stopped; the next run goes on from here") -> Iterator[None]:
    """Ctrl-C, or being asked to terminate, ends in a sentence; everything finished so far is in the store already."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise Stopped(left) from interrupt
