"""What is installed: names and origins from metadata alone, and a plugin's own description."""

from __future__ import annotations

import inspect

from rich.table import Table

from benchmark.architectures import tiny_names
from benchmark.console import table
from benchmark.detectors import SCORED, scored_by
from benchmark.errors import UserError, did_you_mean
from benchmark.registry import GROUPS, Kind, Registry, parameter_types

_SINGULAR: dict[str, Kind] = {
    "attacks": "attack",
    "defenses": "defense",
    "datasets": "dataset",
    "inverters": "inverter",
    "detectors": "detector",
}
_ANY_OPEN_CLIP = ("ARCHITECTURE/TAG", "any open_clip model, such as ViT-B-32/openai")
_LOCAL = ("ARCHITECTURE@PATH", "a local checkpoint of an open_clip architecture")


def listing(what: str, registry: Registry) -> Table:
    """Names and origins of everything of one sort."""
    if what == "models":
        rows = [(name, "embedded, needs no download") for name in tiny_names()]
        return table(("model", "origin"), [*rows, _ANY_OPEN_CLIP, _LOCAL])
    if what == "matrices":
        from benchmark.matrix import built_in_matrices, load_matrix

        return table(("matrix", "summary"), [(name, load_matrix(name).summary) for name in built_in_matrices()])
    entries = registry.entries(_SINGULAR[what]).values()
    return table(
        (_SINGULAR[what], "origin", "class"), [(entry.name, entry.origin, entry.location) for entry in entries]
    )


def find_kind(name: str, registry: Registry) -> Kind:
    """The kind of the plugin of that name.

    Raises:
        UserError: there is none.
    """
    names: list[str] = []
    for kind in GROUPS:
        known = registry.entries(kind)
        if name in known:
            return kind
        names += known
    raise UserError(f"no plugin named '{name}'; {did_you_mean(name, names)}")


def description(name: str, registry: Registry) -> str:
    """A plugin's own words on its paper and its differences, with needs and parameters."""
    kind = find_kind(name, registry)
    plugin = registry.load(kind, name)
    parts = [f"{name} ({kind}, from {registry.entries(kind)[name].origin})"]
    module = inspect.getmodule(plugin)
    parts += [inspect.cleandoc(text) for text in (getattr(module, "__doc__", None), plugin.__doc__) if text]
    if kind == "detector":
        parts.append(f"Scores: {SCORED[scored_by(plugin)]}")
    if hasattr(plugin, "needs"):
        needs = sorted(registry.build(kind, name).needs)
        parts.append(f"Needs: {', '.join(needs) if needs else 'nothing'}")
    parameters = [
        f"  {parameter} = {default!r}" if default is not ... else f"  {parameter} (no default)"
        for parameter, (_, default) in parameter_types(plugin).items()
    ]
    return "\n\n".join([*parts, "Parameters:\n" + ("\n".join(parameters) or "  none")])
