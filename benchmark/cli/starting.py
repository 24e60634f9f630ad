"""The command that writes the file to start a plugin from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import registry_of

Kind = Annotated[str, typer.Argument(help="attack, defense, inverter or detector.")]
Folder = Annotated[Path, typer.Option("--dir", help="Where the file goes.")]


def new(kind: Kind, name: str, folder: Folder = Path()) -> None:
    """Write NAME.py, a plugin of at most 30 lines to start from, and say which commands come next."""
    from benchmark.console import say
    from benchmark.templates import start_plugin

    started = start_plugin(kind, name, folder, registry_of(None))
    say(f"wrote {started.path}, which runs as it is; make it yours, then:")
    for command in started.commands:
        say(f"  {command}")


def register(app: typer.Typer) -> None:
    app.command()(new)
