"""The command that hands a trained model of a run out as a file of its own."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import Data, Device, Force, Only, Plugin, StoreOption, open_store, prepared, stoppable


class What(StrEnum):
    victim = "victim"
    defended = "defended"


def export_model(
    matrix: str,
    out: Annotated[Path, typer.Option("--out", help="The file to write, FILE.safetensors.")],
    what: Annotated[What, typer.Option("--what", help="The victim, or the defended model at the blind pick.")],
    only: Only = None,
    device: Device = "auto",
    store: StoreOption = None,
    plugin: Plugin = None,
    data: Data = None,
    force: Force = False,
) -> None:
    """Write one trained model of a run as a file that plain open_clip reads."""
    from benchmark.artifacts import Artifacts
    from benchmark.console import Bars, say
    from benchmark.exporting import export_model as export
    from benchmark.exporting import one_of
    from benchmark.runner import choose_device, selected
    from benchmark.stages.materials import Materials

    ready = prepared(matrix, plugin, data)
    chosen, _ = selected(ready.jobs, (), only or ())
    named = any(choice.startswith("victim=") for choice in only or ())
    job = one_of(chosen, what.value, poisoned=not named)
    with stoppable(), Bars() as bars:
        artifacts = Artifacts(open_store(store), Materials(bars), choose_device(device), bars)
        say(export(job, what.value, out, artifacts, force=force))


def register(app: typer.Typer) -> None:
    app.command()(export_model)
