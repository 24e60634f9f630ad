"""Batches read ahead of the device, so that it never waits for memory or disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor

Read = TypeVar("Read")
Parts = tuple[Tensor | None, ...]

_AHEAD = 2
_THREADS = 2


def read_ahead(reads: Iterable[Callable[[], Read]], ahead: int = _AHEAD, threads: int = _THREADS) -> Iterator[Read]:
    """What the reads return, in their order; threads stay up to ``ahead`` reads in front of whoever takes the results.

    The reads are drawn from the iterable in the caller's own thread. An error in one is raised where its result would
    have come.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="reading")
    waiting: deque[Future[Read]] = deque()
    try:
        for read in reads:
            waiting.append(pool.submit(read))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


class Lane:
    """Copies batches to a GPU beside its computing: from page-locked memory, on a stream of their own."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream: Any = torch.cuda.Stream(device)

    def send(self, read: Callable[[], Parts]) -> tuple[Parts, Any]:
        """Reads a batch and starts its copy; for a reading thread. What says that the copy is done comes with it."""
        parts = read()
        with torch.cuda.stream(self.stream):
            moved = tuple(None if p is None else p.pin_memory().to(self.device, non_blocking=True) for p in parts)
            return moved, self.stream.record_event()

    def receive(self, sent: tuple[Parts, Any]) -> Parts:
        """The batch, for the stream that computes: that stream waits for the copy, the host does not."""
        parts, copied = sent
        current = torch.cuda.current_stream(self.device)
        current.wait_event(copied)
        for part in parts:
            if part is not None:
                part.record_stream(current)  # or the copy after the next could reuse memory that is still read
        return parts


def prefetched(reads: Iterable[Callable[[], Parts]], device: torch.device) -> Iterator[Parts]:
    """The batches that the reads return, in their order; for a GPU they arrive there while it computes.

    On other devices every batch is read when it is asked for, because computing needs the same cores.
    """
    if device.type != "cuda":
        for read in reads:
            yield read()
        return
    lane = Lane(device)
    for sent in read_ahead(partial(lane.send, read) for read in reads):
        yield lane.receive(sent)
