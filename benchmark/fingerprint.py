"""Identities: of code by its syntax tree, of specifications by their canonical JSON."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

_PACKAGES = frozenset({"benchmark", "attacks", "defenses", "reports"})
_NOT_COMPUTING = frozenset(
    f"benchmark.{name}"
    for name in ("errors", "progress", "registry", "store", "runs", "results", "findings", "fingerprint", "ranges")
)
"""Modules that carry or show what is computed without changing it."""


def digest(value: Any) -> str:
    """32 hexadecimal digits that identify a JSON-like value; the order of keys does not matter."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def code_digest(modules: Iterable[str]) -> str:
    """Identity of the given modules and of every computing module of ours that they import, directly or not.

    Comments, layout and docstrings do not count, nor do imports for type checking only.
    """
    closure = sorted(_closure(frozenset(modules)))
    return digest({name: _tree_digest(name) for name in closure})


def _closure(roots: frozenset[str]) -> set[str]:
    tops = _PACKAGES | {root.partition(".")[0] for root in roots}
    seen: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name in seen or name in _NOT_COMPUTING or _source_file(name) is None:
            continue
        seen.add(name)
        waiting += [found for found in _imports(name) if found.partition(".")[0] in tops]
    return seen


@lru_cache(maxsize=1024)
def _source_file(name: str) -> Path | None:
    module = sys.modules.get(name)
    origin = getattr(module, "__file__", None)
    if origin is None:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, AttributeError, ValueError):
            return None
        origin = spec.origin if spec is not None else None
    return Path(origin) if origin is not None and origin.endswith(".py") else None


@lru_cache(maxsize=1024)
def _tree(name: str) -> ast.Module:
    file = _source_file(name)
    assert file is not None
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            documented = ast.get_docstring(node, clean=False) is not None
            del node.body[: int(documented)]
    return tree


@lru_cache(maxsize=1024)
def _tree_digest(name: str) -> str:
    return hashlib.blake2b(ast.dump(_tree(name)).encode(), digest_size=16).hexdigest()


def _for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not _for_types_only(child):
            yield child
            yield from _walk(child)


@lru_cache(maxsize=1024)
def _imports(name: str) -> frozenset[str]:
    file = _source_file(name)
    is_package = file is not None and file.name == "__init__.py"
    package = name if is_package else name.rpartition(".")[0]
    found: set[str] = set()
    for node in _walk(_tree(name)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parent, base] if base else parent)
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return frozenset(found)
