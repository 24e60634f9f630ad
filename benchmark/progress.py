"""How long work tells of its progress without knowing who listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], None]


class Progress(Protocol):
    """Opens a bar of ``total`` steps for the length of a with-block and hands out what advances it."""

    def task(self, description: str, total: int) -> AbstractContextManager[Advance]: ...


class Silent:
    """Shows nothing; for tests and library use."""

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Advance]:
        yield lambda steps: None
