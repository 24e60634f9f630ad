"""What the runner costs: cells that compute nothing, a finished matrix, and starting the command line."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmark.cells import Computed, describe

CELLS = 'attacks = ["badnets", "blended", "sig", "wanet"]\nseeds = [0, 1, 2, 3]\nbenign = ""'


@pytest.fixture
def idle(world, monkeypatch):
    """A matrix of 68 cells, none of which computes anything."""

    def compute(self, job):
        return Computed(result=describe(job, "ok", device=self.device))

    monkeypatch.setattr("benchmark.cells.Laboratory.compute", compute)
    world.matrix("idle", CELLS)
    return world


def test_a_cell_that_computes_nothing(idle, clipdefense, benchmark, tell):
    started = time.perf_counter()
    finished = benchmark.pedantic(clipdefense, args=("run", "idle.toml", "--runs", "a"), rounds=1)
    each = (time.perf_counter() - started) / 68
    assert finished.out.splitlines()[-1] == "68 ok in a/idle"
    tell(f"runner: {1000 * each:.1f} ms per cell that computes nothing")
    assert each < 0.2


def test_a_finished_matrix(finished_micro, call, benchmark, tell):
    finished = benchmark.pedantic(call, args=(finished_micro, "run", "micro.toml"), rounds=3)
    assert finished.out.splitlines() == ["14 ok in runs/micro"]
    tell(f"runner: {1000 * benchmark.stats.stats.min / 14:.1f} ms per cell of a finished matrix, planning included")


@pytest.mark.parametrize("arguments", [("--help",), ("list", "attacks")], ids=["help", "list"])
def test_starting(benchmark, tell, arguments):
    command = [str(Path(sys.executable).with_name("clipdefense")), *arguments]
    bare = min(_seconds([sys.executable, "-c", "pass"]) for _ in range(5))
    benchmark.pedantic(lambda: subprocess.run(command, check=True, capture_output=True), rounds=7, warmup_rounds=1)
    fastest = benchmark.stats.stats.min
    benchmark.extra_info.update(bare_interpreter_seconds=bare)
    tell(f"clipdefense {' '.join(arguments)}: {fastest:.2f} s, {fastest / bare:.0f} times a bare interpreter")
    assert fastest < 0.5


def _seconds(command):
    started = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - started
