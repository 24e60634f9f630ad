"""Batches read ahead of the device, so that it never waits for memory or disk."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import suppress

import torch

from benchmark.types import Batch

_AHEAD = 3


def pinned(batch: Batch) -> Batch:
    """The batch in page-locked memory, from which copies to a GPU overlap with computing."""
    return Batch(*(None if part is None else part.pin_memory() for part in batch))  # type: ignore[arg-type]


def prefetched(batches: Iterator[Batch], device: torch.device) -> Iterator[Batch]:
    """The same batches; for a GPU they are read and pinned by a thread that stays a few batches ahead."""
    if device.type != "cuda":
        yield from batches
        return
    ready: queue.Queue[Batch | BaseException | None] = queue.Queue(maxsize=_AHEAD)
    stopped = threading.Event()

    def offer(item: Batch | BaseException | None) -> None:
        while not stopped.is_set():
            with suppress(queue.Full):
                ready.put(item, timeout=0.2)
                return

    def read() -> None:
        try:
            for batch in batches:
                if stopped.is_set():
                    return
                offer(pinned(batch))
            offer(None)
        except BaseException as error:
            offer(error)

    threading.Thread(target=read, daemon=True).start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
