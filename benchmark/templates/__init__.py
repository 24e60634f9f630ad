"""Files to start a plugin from: one ``KIND.txt`` beside this module per kind, with ``$Class`` where its name goes."""

from __future__ import annotations

import keyword
import re
import shlex
from pathlib import Path
from string import Template
from typing import NamedTuple

from benchmark.errors import UserError, did_you_mean
from benchmark.files import replacing
from benchmark.registry import GROUPS, Registry, snake

FOLDER = Path(__file__).parent


class Started(NamedTuple):
    """The file that was written, and the commands that come next."""

    path: Path
    commands: tuple[str, ...]


def kinds() -> tuple[str, ...]:
    """Kinds of plugins that there is a template for."""
    return tuple(path.stem for path in sorted(FOLDER.glob("*.txt")))


def start_plugin(kind: str, name: str, folder: Path, registry: Registry) -> Started:
    """Writes ``folder / NAME.py``, a plugin that keeps its contract as it stands.

    Raises:
        UserError: there is no such kind, the name is taken or cannot be a class's, or there is such a file.
        StorageError: the disk is full.
    """
    if kind not in kinds():
        raise UserError(f"there is no template for '{kind}'; {did_you_mean(kind, kinds())}")
    plugin = _class_name(name)
    for group in GROUPS:
        if name in registry.entries(group):
            raise UserError(f"'{name}' is the name of an installed {group}; choose another")
    path = folder / f"{name}.py"
    if path.exists():
        raise UserError(f"'{path}' exists already; choose another name or --dir")
    with replacing(path) as temporary:
        text = Template((FOLDER / f"{kind}.txt").read_text(encoding="utf-8")).substitute(Class=plugin)
        temporary.write_text(text, encoding="utf-8")
    option = f"--plugin {shlex.quote(f'{path}:{plugin}')}"
    commands = (f"check {name} {option}", f"run quick {option}", "report quick")
    return Started(path, tuple(f"clipdefense {command}" for command in commands))


def _class_name(name: str) -> str:
    """The class whose plugin has this name.

    Raises:
        UserError: there is none.
    """
    plugin = "".join(word[:1].upper() + word[1:] for word in name.split("_"))
    if re.fullmatch(r"[a-z][a-z0-9_]*", name) is None or keyword.iskeyword(plugin) or snake(plugin) != name:
        raise UserError(f"'{name}' cannot name a plugin; write words of two letters or more, like my_method")
    return plugin
