"""What a plugin says of itself, taken apart: its docstrings, fields, needs, and what its code calls."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmark.registry import Kind, Registry, parameter_types
from benchmark.types import NEEDS, Fitted, Objective, Poisoner, Prompted, Routed

SOURCE = re.compile(
    r"arXiv[: ](?P<arxiv>\d{4}\.\d{4,5})|doi[:.](?P<doi>10\.\d{4,}/[^\s),;]+\w)|OpenReview (?P<review>\w{10})"
)
_DIFFERS = "Differs from the paper:"
_OURS = re.compile(r".*\bOurs\b")
_ROLES: dict[type, str] = {
    Fitted: "prepares on the clean model",
    Poisoner: "chooses its own poisons",
    Prompted: "puts a trigger into texts",
    Routed: "has several triggers",
    Objective: "replaces the training loss",
}
_CALLS = {
    "train": "fine-tunes",
    "learnt_masks": "learns masks",
    "Adam": "optimises",
    "search_patch": "optimises",
    "levelling_patch": "optimises",
}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """One plugin.

    Attributes:
        name: as it is registered.
        summary: the paragraphs of the module's docstring before the difference, then the class's first line.
        papers: what the module cites before the difference, as (text, address); empty for our own.
        differs: how it differs from the paper.
        knows: what it must be granted; for attacks, what the attacker does beside stamping images.
        architectures: vision towers that it works on; empty for all.
        cost: what it spends time on.
        parameters: name -> (default as it is written, meaning).
    """

    name: str
    summary: tuple[str, ...]
    papers: tuple[tuple[str, str], ...]
    differs: str
    knows: tuple[str, ...]
    architectures: tuple[str, ...]
    cost: str
    parameters: dict[str, tuple[str, str]]


def facts(kind: Kind, name: str, registry: Registry) -> Facts:
    """The facts of a registered plugin with its default parameters."""
    plugin, built = registry.load(kind, name), registry.build(kind, name)
    module = sys.modules[plugin.__module__]
    text = inspect.cleandoc(module.__doc__ or "")
    before, differs = _split(text)
    own = inspect.cleandoc(plugin.__doc__ or "")
    attack = kind == "attack"
    return Facts(
        name=name,
        summary=(*before, _one_line(own.split("\n\n")[0])),
        papers=() if _OURS.match(text) else tuple(dict.fromkeys(_papers(" ".join(before)))),
        differs=differs,
        knows=_roles(built) if attack else tuple(sorted(getattr(built, "needs", ()))),
        architectures=tuple(sorted(getattr(plugin, "architectures", ()))),
        cost="" if attack else _cost(module, built, looks=kind == "detector"),
        parameters={
            parameter: ("none" if default is ... else repr(default), _meanings(own).get(parameter, ""))
            for parameter, (_, default) in parameter_types(plugin).items()
        },
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _split(text: str) -> tuple[list[str], str]:
    """The paragraphs before "Differs from the paper", and what follows it."""
    before, _, differs = text.partition(_DIFFERS)
    return [_one_line(part) for part in before.strip().split("\n\n")], _one_line(differs)


def _papers(text: str) -> Iterator[tuple[str, str]]:
    for found in SOURCE.finditer(text):
        if found["arxiv"]:
            yield f"arXiv {found['arxiv']}", f"https://arxiv.org/abs/{found['arxiv']}"
        elif found["doi"]:
            yield f"doi:{found['doi']}", f"https://doi.org/{found['doi']}"
        else:
            yield f"OpenReview {found['review']}", f"https://openreview.net/forum?id={found['review']}"


def _roles(attack: Any) -> tuple[str, ...]:
    return tuple(text for role, text in _ROLES.items() if isinstance(attack, role))


def _cost(module: Any, built: Any, *, looks: bool) -> str:
    """By what the plugin's code calls, and otherwise by whether it looks at images."""
    tree = ast.parse(inspect.getsource(module))
    called = {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    }
    found = list(dict.fromkeys(text for name, text in _CALLS.items() if name in called))
    if found:
        return " and ".join(found)
    images = NEEDS - {"reference_model", "sibling_models", "target", "labels"}
    return "passes over images" if looks or images & set(built.needs) else "weights alone"


def _meanings(docstring: str) -> dict[str, str]:
    """Parameter -> its text in the docstring's section "Args"."""
    _, _, section = docstring.partition("\nArgs:\n")
    found: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        if not line.strip():
            break
        started = re.match(r" {4}(\w+): (.*)", line)
        if started:
            name = started[1]
            found[name] = started[2]
        elif name:
            found[name] += f" {line.strip()}"
    return found
