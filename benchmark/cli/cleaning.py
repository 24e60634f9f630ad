"""The command that turns a defense into a tool: a suspect checkpoint in, a cleaned one out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from benchmark.cli.options import (
    Data,
    Device,
    Force,
    Plugin,
    StoreOption,
    data_options,
    open_store,
    registry_of,
    settings,
    stoppable,
)
from benchmark.errors import ClipdefenseError, UserError

Model = Annotated[str, typer.Option("--model", help="Architecture, such as ViT-B-32 or tiny-resnet.")]
Checkpoint = Annotated[Path, typer.Option("--checkpoint", help="The suspect weights, .pt or .safetensors.")]
DefenseName = Annotated[str, typer.Option("--defense", help="As 'list defenses' names it.")]
PairsAt = Annotated[str, typer.Option("--pairs", help="A data set's name, or a path: labelled images, or shards.")]
Out = Annotated[Path, typer.Option("--out", help="The file to write, FILE.safetensors.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="name=value of the defense, trigger.name=value of the attack.")
]
Trigger = Annotated[str, typer.Option("--trigger", help="The attack that the suspect is thought to carry.")]
Target = Annotated[str, typer.Option("--target", help="The class that its trigger elicits.")]
Reference = Annotated[str, typer.Option("--reference", help="The clean ancestor: a checkpoint or an open_clip tag.")]
Budget = Annotated[float, typer.Option("--budget", min=0, max=100, help="Allowed loss in points of clean accuracy.")]
Seed = Annotated[int, typer.Option("--seed", help="Of the defense.")]
Count = Annotated[int | None, typer.Option("--count", min=2, help="Pairs that the defense gets, all by default.")]
Validation = Annotated[
    int | None, typer.Option("--validation", min=2, help="Pairs that pick the point, all by default.")
]
Test = Annotated[int | None, typer.Option("--test", min=2, help="Pairs that are only measured on, all by default.")]


def clean(
    model: Model,
    checkpoint: Checkpoint,
    defense: DefenseName,
    pairs: PairsAt,
    out: Out,
    set_: Set = None,
    trigger: Trigger = "",
    target: Target = "",
    reference: Reference = "",
    budget: Budget = 2.0,
    seed: Seed = 0,
    count: Count = None,
    validation: Validation = None,
    test: Test = None,
    data: Data = None,
    plugin: Plugin = None,
    device: Device = "auto",
    store: StoreOption = None,
    force: Force = False,
) -> None:
    """Clean a suspect checkpoint with a defense, and say what it cost."""
    from benchmark.own_pairs import Sizes, find
    from benchmark.suspects import Request, suspect_of

    _refuse_place(out, checkpoint, force)
    registry = registry_of(plugin)
    request = Request(
        model=model,
        checkpoint=checkpoint,
        defense=defense,
        trigger=trigger,
        target=target,
        reference=reference,
        settings=settings(set_ or []),
        budget=budget,
        seed=seed,
    )
    suspect = suspect_of(request, registry)
    open_store(store)
    dataset, part = find(pairs, registry, data_options(data or []))
    suspect.check(dataset.class_names)
    sizes = Sizes(defense=count, validation=validation, test=test)
    _write(_computed(suspect, (dataset, part, sizes), device), out)


def _refuse_place(out: Path, checkpoint: Path, force: bool) -> None:
    from benchmark.open_clip_files import refuse_place

    refuse_place(out, force=force)
    if out.exists() and checkpoint.exists() and out.samefile(checkpoint):
        raise UserError(f"--out {out}: this is the suspect itself, which is kept; choose another name")


def _computed(suspect: Any, data: tuple[Any, Any, Any], device: str) -> Any:
    from benchmark.cleaning import clean as cleaned
    from benchmark.cleaning import load_suspect
    from benchmark.console import Bars
    from benchmark.own_pairs import cut
    from benchmark.runner import choose_device
    from benchmark.stages.materials import Materials

    with stoppable("stopped; nothing was written"), Bars() as bars:
        model, ancestor = load_suspect(suspect, choose_device(device))
        pairs = cut(*data, model.image_size, Materials(bars))
        return cleaned(model, ancestor, suspect, pairs, bars)


def _write(cleaned: Any, out: Path) -> None:
    from benchmark.console import console, say, table
    from benchmark.open_clip_files import export

    say(cleaned.title)
    console.print(table(("", "before", "after", "over"), cleaned.rows()))
    if cleaned.model is None:
        raise ClipdefenseError(cleaned.refusal)
    say(f"cleaned model in {out}; {export(cleaned.model, out)}")


def register(app: typer.Typer) -> None:
    app.command()(clean)
