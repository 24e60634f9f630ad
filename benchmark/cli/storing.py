"""Commands that look after the store of trained artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import Runs, StoreOption, open_store
from benchmark.errors import UserError

store_app = typer.Typer(no_args_is_help=True, help="Look after the store of trained artifacts.")


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
    count, size = prune(open_store(store), folders, dry=dry_run)
    say(
        f"{'would remove' if dry_run else 'removed'} {count} artifacts, {size / 1e6:.1f} MB ({len(folders)} plans kept)"
    )


def register(app: typer.Typer) -> None:
    app.add_typer(store_app, name="store")
