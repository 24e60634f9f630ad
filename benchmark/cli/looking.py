"""Commands that look: what is installed, what a plugin says of itself, whether it keeps the contract."""

from __future__ import annotations

from enum import StrEnum

import typer

from benchmark.cli.options import Plugin, registry_of
from benchmark.errors import ClipdefenseError


class Listable(StrEnum):
    attacks = "attacks"
    defenses = "defenses"
    inverters = "inverters"
    detectors = "detectors"
    datasets = "datasets"
    models = "models"
    matrices = "matrices"


def list_(what: Listable, plugin: Plugin = None) -> None:
    """List what is installed, by name and origin."""
    from benchmark.console import console
    from benchmark.listing import listing

    console.print(listing(what.value, registry_of(plugin)))


def show(name: str, plugin: Plugin = None) -> None:
    """Show a plugin: what it needs, its paper, its parameters, how it differs from the paper."""
    from benchmark.console import say
    from benchmark.listing import description

    say(description(name, registry_of(plugin)))


def check(name: str, plugin: Plugin = None) -> None:
    """Run the contract over a plugin: does it keep the promises that the benchmark relies on?"""
    from benchmark.checking import check_plugin
    from benchmark.console import say

    broken = 0
    for line, kept in check_plugin(name, registry_of(plugin)):
        say(line)
        broken += not kept
    if broken:
        raise ClipdefenseError(f"'{name}' breaks {broken} of its promises")


def register(app: typer.Typer) -> None:
    app.command("list")(list_)
    app.command()(show)
    app.command()(check)
