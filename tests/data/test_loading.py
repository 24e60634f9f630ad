"""Batches that are read ahead: in order, not too far, and never after nobody wants them."""

import threading
import time
from functools import partial

import pytest
import torch

from benchmark.data.loading import Lane, prefetched, read_ahead


def number(value, seconds=0.0):
    time.sleep(seconds)
    return (torch.tensor(value),)


def values(batches):
    return [int(batch[0]) for batch in batches]


def test_results_come_in_the_order_of_the_reads_even_if_later_ones_are_quicker():
    reads = [partial(number, value, 0.02 if value % 2 == 0 else 0.0) for value in range(12)]
    assert values(read_ahead(reads, ahead=4, threads=4)) == list(range(12))


def test_reading_goes_on_while_nobody_asks_and_stops_at_its_limit():
    read, enough = [], threading.Event()

    def one(value):
        read.append(value)
        if len(read) == 4:
            enough.set()
        return (torch.tensor(value),)

    batches = read_ahead((partial(one, value) for value in range(100)), ahead=3, threads=2)
    next(batches)
    assert enough.wait(10)
    time.sleep(0.05)
    assert sorted(read) == [0, 1, 2, 3]
    batches.close()


def test_reads_are_drawn_in_the_callers_thread():
    drawn = []

    def reads():
        for value in range(5):
            drawn.append(threading.current_thread())
            yield partial(number, value)

    list(read_ahead(reads()))
    assert set(drawn) == {threading.current_thread()}


def test_an_error_is_raised_where_its_batch_would_have_come():
    def breaks():
        raise OSError("damaged")

    batches = read_ahead([partial(number, 0), partial(number, 1), breaks, partial(number, 3)])
    assert values([next(batches), next(batches)]) == [0, 1]
    with pytest.raises(OSError, match="damaged"):
        next(batches)
    assert list(batches) == []


def test_threads_end_with_whoever_wants_batches():
    batches = read_ahead([partial(number, value, 0.01) for value in range(50)], ahead=3)
    next(batches)
    batches.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("reading")]


def test_without_a_gpu_a_batch_is_read_when_it_is_asked_for():
    read = []
    batches = prefetched(
        (lambda value=value: read.append(value) or number(value) for value in range(3)), torch.device("cpu")
    )
    assert read == []
    next(batches)
    assert read == [0]


class Stream:
    """Stands in for a CUDA stream and writes down what it is asked to wait for."""

    def __init__(self, log, name):
        self.log, self.name = log, name

    def record_event(self):
        self.log.append(("recorded", self.name))
        return self.name

    def wait_event(self, event):
        self.log.append((self.name, "waits for", event))

    def __enter__(self):
        self.log.append(("on", self.name))

    def __exit__(self, *error):
        self.log.append(("off", self.name))


@pytest.fixture
def log(monkeypatch):
    """CUDA's streams and page-locked memory, as far as a machine without a GPU can play them."""
    found, current = [], Stream([], "computing")
    current.log = found
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: Stream(found, "copying"))
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: current)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: found.append("pinned") or self)
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda self, stream: found.append(("kept for", stream.name)))
    return found


def test_a_copy_runs_on_its_own_stream_and_only_the_computing_stream_waits_for_it(log):
    lane = Lane(torch.device("cpu"))
    sent = lane.send(lambda: (torch.tensor(1), None, torch.tensor(2)))
    assert log == [("on", "copying"), "pinned", "pinned", ("recorded", "copying"), ("off", "copying")]
    log.clear()
    first, nothing, second = lane.receive(sent)
    assert (int(first), nothing, int(second)) == (1, None, 2)
    assert log == [("computing", "waits for", "copying"), ("kept for", "computing"), ("kept for", "computing")]
