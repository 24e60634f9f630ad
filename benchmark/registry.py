"""Plugins, built-in and foreign alike, found through entry points; listing them imports nothing of theirs."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, get_type_hints

from benchmark.errors import ClipdefenseError, UserError, did_you_mean

Kind = Literal["attack", "defense", "dataset", "inverter", "detector"]
GROUPS: dict[Kind, str] = {
    "attack": "clipdefense.attacks",
    "defense": "clipdefense.defenses",
    "dataset": "clipdefense.datasets",
    "inverter": "clipdefense.inverters",
    "detector": "clipdefense.detectors",
}


@dataclass(frozen=True)
class Entry:
    """A plugin that is known but not imported: its name, where its class is, and who brought it."""

    name: str
    location: str
    origin: str


def snake(name: str) -> str:
    """The name of the plugin whose class is called so."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _kind_of(plugin: type) -> Kind:
    """By its class attribute ``kind`` where that names one, as an inverter's must; by its members otherwise."""
    said = getattr(plugin, "kind", None)
    if isinstance(said, str) and said in GROUPS:
        return said
    if callable(getattr(plugin, "trigger", None)):
        return "attack"
    if callable(getattr(plugin, "score", None)):
        return "detector"
    if hasattr(plugin, "needs") and callable(plugin):
        return "defense"
    if callable(getattr(plugin, "load", None)):
        return "dataset"
    raise UserError(
        f"class '{plugin.__name__}' is no plugin: an attack has 'trigger', a defense 'needs' and '__call__', "
        "a dataset 'load', a detector 'score'; an inverter says kind = 'inverter'"
    )


class Registry:
    """Looks plugins up by name and builds them with checked parameters.

    Args:
        loose: classes from loose files, ``path/to/file.py:Class``; their name is the class's in snake case.

    Raises:
        UserError: a loose file or class does not exist, or two plugins of one kind share a name.
    """

    def __init__(self, loose: Iterable[str] = ()) -> None:
        self._installed: dict[Kind, dict[str, Entry]] = {}
        self.loose: dict[Kind, dict[str, type]] = {kind: {} for kind in GROUPS}
        for location in loose:
            plugin = _load_loose(location)
            kind, name = _kind_of(plugin), snake(plugin.__name__)
            if name in self.entries(kind):
                raise UserError(f"two plugins are named '{name}': '{location}' and a registered one; rename the class")
            self.loose[kind][name] = plugin

    def entries(self, kind: Kind) -> dict[str, Entry]:
        """All plugins of a kind by name, from metadata alone.

        Raises:
            UserError: two installed packages use one name.
        """
        if kind not in self._installed:
            self._installed[kind] = _installed(kind)
        loose = {
            name: Entry(name, f"{plugin.__module__}:{plugin.__name__}", "loose file")
            for name, plugin in self.loose[kind].items()
        }
        return dict(sorted((self._installed[kind] | loose).items()))

    def load(self, kind: Kind, name: str) -> type:
        """The plugin's class.

        Raises:
            UserError: there is no plugin of that name.
            ClipdefenseError: its module cannot be imported.
        """
        if name in self.loose[kind]:
            return self.loose[kind][name]
        known = self.entries(kind)
        if name not in known:
            raise UserError(f"no {kind} named '{name}'; {did_you_mean(name, known)}")
        point = EntryPoint(name=name, value=known[name].location, group=GROUPS[kind])
        try:
            plugin: type = point.load()
        except (ImportError, AttributeError) as error:
            raise ClipdefenseError(
                f"{kind} '{name}' of '{known[name].origin}' cannot be loaded from '{point.value}': {error}"
            ) from error
        return plugin

    def build(self, kind: Kind, name: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """An instance with the given parameters and defaults for the rest.

        Raises:
            UserError: a parameter is unknown, has the wrong type or lies outside of its range.
        """
        from pydantic import ConfigDict, ValidationError, create_model

        plugin = self.load(kind, name)
        given = dict(parameters or {})
        accepted = parameter_types(plugin)
        for parameter in given:
            if parameter not in accepted:
                raise UserError(f"{kind} '{name}' has no parameter '{parameter}'; {did_you_mean(parameter, accepted)}")
        settings = ConfigDict(strict=True, arbitrary_types_allowed=True)
        checker = create_model("parameters", __config__=settings, **accepted)  # type: ignore[call-overload]
        try:
            checked = checker(**given)
        except ValidationError as error:
            first = error.errors()[0]
            parameter = ".".join(str(part) for part in first["loc"])
            if first["type"] == "missing":
                raise UserError(f"{kind} '{name}', parameter '{parameter}': it has no default; give it one") from error
            raise UserError(
                f"{kind} '{name}', parameter '{parameter}' = {first['input']!r}: {first['msg'].lower()}"
            ) from error
        try:
            return plugin(**{parameter: getattr(checked, parameter) for parameter in given})
        except Exception as error:
            raise UserError(f"{kind} '{name}' cannot be built: {type(error).__name__}: {error}") from error


def _installed(kind: Kind) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for point in entry_points(group=GROUPS[kind]):
        entry = Entry(point.name, point.value, _origin(point))
        if point.name in found and found[point.name] != entry:
            both = f"'{found[point.name].origin}' ({found[point.name].location}) and '{entry.origin}' ({point.value})"
            raise UserError(f"two {kind}s are named '{point.name}': {both}; uninstall or rename one")
        found[point.name] = entry
    return found


def _origin(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "unknown"


def _load_loose(location: str) -> type:
    path, separator, class_name = location.rpartition(":")
    if not separator or not Path(path).is_file():
        raise UserError(f"plugin '{location}': write it as path/to/file.py:Class, and let the file exist")
    file = Path(path).resolve()
    spec = importlib.util.spec_from_file_location(f"clipdefense_loose_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise UserError(f"plugin '{location}': '{file}' is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UserError(f"plugin '{location}': the file raises {type(error).__name__}: {error}") from error
    plugin = getattr(module, class_name, None)
    if not isinstance(plugin, type):
        classes = [name for name, item in vars(module).items() if isinstance(item, type)]
        raise UserError(f"plugin '{location}': no class named '{class_name}'; {did_you_mean(class_name, classes)}")
    return plugin


def parameter_types(plugin: type) -> dict[str, tuple[Any, Any]]:
    """Name -> (type, default) of every constructor parameter; ``...`` stands for "no default"."""
    if dataclasses.is_dataclass(plugin):
        fields = [field for field in dataclasses.fields(plugin) if field.init and field.repr]
        return {
            field.name: (_type_of(plugin, field), ... if field.default is dataclasses.MISSING else field.default)
            for field in fields
        }
    signature = inspect.signature(plugin)
    return {
        name: (Any, ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in signature.parameters.items()
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    }


def _type_of(plugin: type, field: dataclasses.Field[Any]) -> Any:
    """The field's type; Any where its annotation names something that only a type checker sees."""
    annotated = SimpleNamespace(__annotations__={field.name: field.type})
    owner = next((kind for kind in plugin.__mro__ if field.name in inspect.get_annotations(kind)), plugin)
    try:
        names = vars(sys.modules[owner.__module__])
        return get_type_hints(annotated, globalns=names, include_extras=True)[field.name]
    except NameError:
        return Any


def location_of(plugin: object) -> str:
    """``module:Class`` of a plugin instance."""
    kind = type(plugin)
    return f"{kind.__module__}:{kind.__qualname__}"


def resolved(plugin: object) -> dict[str, Any]:
    """The hyperparameters a built instance really has, its class included."""
    values = {name: getattr(plugin, name) for name in parameter_types(type(plugin)) if hasattr(plugin, name)}
    return {"plugin": location_of(plugin), **values}
