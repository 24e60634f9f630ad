"""Peak memory of a piece of work: the device's own count on a GPU, sampled resident memory on a CPU."""

from __future__ import annotations

import threading
from types import TracebackType

import psutil
import torch

_INTERVAL = 0.05


class PeakMemory:
    """Context manager; ``bytes`` holds the peak after the block.

    On a CPU the resident memory of the process is sampled every 50 ms, so shorter peaks may be missed.
    """

    def __init__(self, device: torch.device) -> None:
        self.device, self.bytes = device, 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def _sample(self) -> None:
        process = psutil.Process()
        while True:
            self.bytes = max(self.bytes, process.memory_info().rss)
            if self._stop.wait(_INTERVAL):
                return

    def __enter__(self) -> PeakMemory:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            self._thread = threading.Thread(target=self._sample, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is None:
            self.bytes = torch.cuda.max_memory_allocated(self.device)
            return
        self._stop.set()
        self._thread.join()


def synchronised(device: torch.device) -> None:
    """Waits for a GPU to finish what it was given, so that a clock read after it is honest."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
