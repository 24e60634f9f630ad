"""A check, what it says when it fails, and the rules that hold for plugins of every kind."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass, replace
from typing import Any, NamedTuple, TypeVar

from benchmark.errors import ClipdefenseError

Plugin = TypeVar("Plugin")


class ContractViolation(ClipdefenseError):
    """A plugin broke its contract; the sentence names the plugin, what it did, and the remedy."""


@dataclass(frozen=True)
class Check:
    """One rule, bound to one plugin.

    Attributes:
        name: of the rule, the same for all plugins of a kind.
        run: returns if the plugin keeps the rule, raises ``ContractViolation`` if not.
    """

    name: str
    run: Callable[[], None]


class Outcome(NamedTuple):
    """The name of a check and the sentence it failed with, or None."""

    name: str
    error: str | None


def run_checks(checks: Iterable[Check]) -> list[Outcome]:
    """Runs every check; a failure of one does not keep the others from running."""
    return [Outcome(check.name, _error_of(check)) for check in checks]


def _error_of(check: Check) -> str | None:
    try:
        check.run()
    except ClipdefenseError as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def called(kind: str, plugin: object) -> str:
    """How sentences call a plugin: ``attack 'BadNets'``."""
    return f"{kind} '{type(plugin).__name__}'"


@contextmanager
def blaming(who: str, member: str) -> Iterator[None]:
    """Turns whatever a plugin raises into a violation that names the plugin and its member."""
    try:
        yield
    except (Exception, SystemExit) as error:
        raise ContractViolation(f"{who}: {member} raised {type(error).__name__}: {error}") from error


def require(holds: bool, sentence: str) -> None:
    """Raises ``ContractViolation(sentence)`` unless the rule holds."""
    if not holds:
        raise ContractViolation(sentence)


def checks_of(suite: object) -> list[Check]:
    """Every public method of the suite's class, in the order of definition, as a check."""
    methods = [name for name, item in vars(type(suite)).items() if inspect.isfunction(item) and name[0] != "_"]
    return [Check(name, getattr(suite, name)) for name in methods]


def governed(who: str, plugin: object, checks: list[Check]) -> list[Check]:
    """The checks without the plugin's declared exceptions, and one check on the exceptions themselves."""
    excepted = frozenset(getattr(plugin, "contract_exceptions", ()))
    names = {check.name for check in checks}

    def exceptions_are_known() -> None:
        stray = sorted(excepted - names)
        require(not stray, f"{who}: contract_exceptions names no check of its kind: {', '.join(stray)}; remove it")
        silent = sorted(name for name in excepted if name not in (type(plugin).__doc__ or ""))
        require(not silent, f"{who}: its docstring does not say why it is excepted from {', '.join(silent)}; add that")

    return [Check("exceptions_are_known", exceptions_are_known), *(c for c in checks if c.name not in excepted)]


def hurried(plugin: Plugin) -> Plugin:
    """The plugin with the small numbers of steps that it declares for its checks in ``contract_settings``."""
    known = {field.name for field in fields(plugin) if field.init} if is_dataclass(plugin) else set()
    settings = {name: value for name, value in getattr(plugin, "contract_settings", {}).items() if name in known}
    return replace(plugin, **settings) if settings else plugin  # type: ignore[type-var]


class PluginChecks:
    """A plugin is a frozen, keyword-only dataclass whose parameters are scalars with defaults."""

    def __init__(self, who: str, plugin: object) -> None:
        self.who, self.plugin, self.kind = who, plugin, type(plugin)

    def _fields(self) -> tuple[Field[Any], ...]:
        return fields(self.kind) if is_dataclass(self.kind) else ()

    def is_frozen_dataclass(self) -> None:
        parameters = getattr(self.kind, "__dataclass_params__", None)
        frozen = parameters is not None and parameters.frozen
        require(frozen, f"{self.who} is not a frozen dataclass; decorate it with @dataclass(frozen=True, kw_only=True)")

    def fields_are_keyword_only(self) -> None:
        found = [field.name for field in self._fields() if field.init and not field.kw_only]
        require(not found, f"{self.who}: {', '.join(found)} can be given by position; add kw_only=True")

    def fields_are_scalars_with_defaults(self) -> None:
        for field in self._fields():
            where = f"{self.who}: field '{field.name}'"
            require(field.default is not MISSING, f"{where} has no default; give it one")
            scalar = isinstance(field.default, bool | int | float | str | None)
            kind = type(field.default).__name__
            require(scalar, f"{where} is a {kind}; use a number, a text, a truth value or None")

    def contract_settings_are_fields(self) -> None:
        known = {field.name for field in self._fields() if field.init}
        stray = sorted(set(getattr(self.plugin, "contract_settings", {})) - known)
        require(not stray, f"{self.who}: contract_settings names no field of its own: {', '.join(stray)}; remove it")

    def builds_without_arguments(self) -> None:
        with blaming(self.who, "building it without arguments"):
            self.kind()
