"""Commands that describe the catalogue of plugins: pictures of all triggers, and the text of the documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import Device, Plugin, StoreOption, open_store, registry_of, stoppable


def gallery(
    out: Annotated[Path, typer.Option("--out", help="Where the picture goes.")] = Path("gallery.png"),
    dataset: Annotated[str, typer.Option("--dataset", help="A data set [default: the matrix's first].")] = "",
    model: Annotated[str, typer.Option("--model", help="What triggers are optimised on.")] = "tiny-resnet",
    matrix: Annotated[str, typer.Option("--matrix", help="Sets the attacks' parameters.")] = "catalogue-small",
    store: StoreOption = None,
    device: Device = "auto",
    plugin: Plugin = None,
) -> None:
    """Draw a contact sheet of all triggers: clean, triggered, difference x 5, and the PSNR.

    Some triggers are optimised on the clean model; where the store has none, it is trained first.
    """
    from benchmark.console import Bars, say
    from benchmark.gallery import gallery as stamped_by_all
    from benchmark.runs import write_atomically
    from reports.figures.gallery import draw
    from reports.figures.saving import png

    with stoppable(), Bars() as bars:
        rows = stamped_by_all(matrix, model, dataset, registry_of(plugin), open_store(store), device, bars)
    write_atomically(out, png(draw(rows)))
    say(f"{len(rows)} triggers in {out}")


def catalogue() -> None:
    """Write the documentation of all plugins of this package as Markdown (docs/catalogue.md)."""
    from benchmark.catalogue import catalogue as page
    from benchmark.console import say

    say(page(registry_of(None)).rstrip("\n"))


def register(app: typer.Typer) -> None:
    app.command()(gallery)
    app.command()(catalogue)
