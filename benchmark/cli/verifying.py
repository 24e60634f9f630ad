"""The command that computes cells of a finished run once more and compares."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmark.cli.options import (
    Data,
    Device,
    Plugin,
    Runs,
    StoreOption,
    open_store,
    prepared,
    run_folder,
    stoppable,
)
from benchmark.errors import ClipdefenseError

Cells = Annotated[int, typer.Option("--cells", min=1, help="How many cells, drawn at random.")]
Seed = Annotated[int, typer.Option("--seed", help="Of the draw.")]
Keep = Annotated[bool, typer.Option("--keep-models", help="Take trained models from the store; defenses run again.")]


def verify(
    matrix: str,
    cells: Cells = 3,
    seed: Seed = 0,
    keep_models: Keep = False,
    device: Device = "auto",
    runs: Runs = Path("runs"),
    store: StoreOption = None,
    plugin: Plugin = None,
    data: Data = None,
) -> None:
    """Compute some cells of a finished run again and compare: equal bits on the same device, close ones elsewhere.

    Training may amplify what another device rounds differently; --keep-models compares the defenses alone.
    """
    from benchmark.console import Bars, say
    from benchmark.runner import choose_device
    from benchmark.verifying import draw, verify

    ready = prepared(matrix, plugin, data)
    folder = run_folder(runs, ready.matrix.name)
    drawn, differing = draw(folder, ready.jobs, cells, seed), 0
    with stoppable(), _models(store, keep_models) as models, Bars() as bars:
        for verdict in verify(folder, drawn.jobs, models, choose_device(device), bars):
            say(verdict.line)
            differing += not verdict.agrees
    how = "with the store's trained models" if keep_models else "with every model trained anew"
    foreign = f"; {drawn.foreign} cells are of other code or settings and were not drawn" if drawn.foreign else ""
    if differing:
        raise ClipdefenseError(f"{differing} of {len(drawn.jobs)} cells differ, computed again {how}{foreign}")
    say(f"{len(drawn.jobs)} of {len(drawn.jobs)} cells agree, computed again {how}{foreign}")


@contextmanager
def _models(store: Path | None, keep: bool) -> Iterator[Any]:
    """The user's own store, or an empty one that vanishes in the end."""
    from benchmark.store import Store

    if keep:
        yield open_store(store)
        return
    with tempfile.TemporaryDirectory(prefix="clipdefense-verify-") as folder:
        yield Store(Path(folder))


def register(app: typer.Typer) -> None:
    app.command()(verify)
