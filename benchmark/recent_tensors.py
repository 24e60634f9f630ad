"""Tensors that were made last, by name, as many as fit into a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from torch import Tensor


class RecentTensors:
    """Makes a tensor once and hands it out again until others have taken its room.

    What comes out is shared: whoever might change it, copies it first.

    Args:
        limit: bytes that are kept; a larger tensor is handed out and not kept.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._items: OrderedDict[str, Tensor] = OrderedDict()

    def get(self, name: str, make: Callable[[], Tensor]) -> Tensor:
        """The tensor of this name, made now where it is not at hand."""
        if name in self._items:
            self._items.move_to_end(name)
            return self._items[name]
        made = make()
        if made.nbytes <= self.limit:
            self._items[name] = made
        while sum(tensor.nbytes for tensor in self._items.values()) > self.limit:
            self._items.popitem(last=False)
        return made
