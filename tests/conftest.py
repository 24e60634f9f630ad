"""For all tests: one thread per process, a micro matrix that was run once, and the command line in and out of process.

The processes that tests kill and starve are real ones. They are forked from a server that has imported torch once,
because importing it anew takes longer than most tests.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import multiprocessing
import os
import runpy
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import pytest  # noqa: E402

from benchmark.results import Result  # noqa: E402
from benchmark.runs import RunFolder  # noqa: E402

MICRO = """
summary = "As small as a matrix can be"
models = ["tiny-resnet"]
datasets = ["shapes"]
attacks = ["badnets", { plugin = "blended", parameters = { alpha = 0.3 } }]
defenses = [
  { plugin = "finetune", parameters = { epochs = 1 } },
  { plugin = "pruning", parameters = { share_max = 0.5, share_steps = 2 } },
  { plugin = "task_vector", parameters = { alpha_steps = 2, epochs = 1 } },
]
benign = "badnets"
targets = { shapes = "heart" }
poisons = { default = 16 }
protocol = { epochs = 2, batch_size = 8, learning_rate = 2e-3 }
sizes = { victim_pairs = 128, clean_pairs = 64, triggered_pairs = 32, validation = 60, test = 60 }
pretraining = { pairs = { shapes = 256 }, epochs = 6 }
"""
"""Two attacks, the two controls and two more defenses; nothing in it is trained well enough to mean anything."""

_COMMAND = Path(__file__).with_name("one_command.py")


@dataclass(frozen=True)
class Finished:
    """A command that has ended: its exit code (-9 for a killed process) and what it wrote."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class World:
    """Where commands run: a folder with a micro matrix in it, run folders and a store."""

    home: Path

    @property
    def store(self) -> Path:
        return self.home / "store"

    def folder(self, matrix: str = "micro") -> RunFolder:
        return RunFolder(self.home / "runs" / matrix)

    def found(self, matrix: str = "micro") -> dict[str, Result | None]:
        """The results of a run by the text of their cell; None where one is missing."""
        folder = self.folder(matrix)
        return {planned.cell.text: folder.whole(planned.key) for planned in folder.plan().cells}

    def copied(self, home: Path) -> World:
        """Another world with the runs and the store of this one."""
        for name in ("runs", "store"):
            shutil.copytree(self.home / name, home / name)
        return World(home)

    def write(self, name: str, text: str) -> Path:
        path = self.home / name
        path.write_text(text, encoding="utf-8")
        return path

    def matrix(self, name: str, changes: str = "") -> str:
        """Writes ``name.toml``, the micro matrix with changes; returns what a command calls it."""
        self.write("base.toml", MICRO)
        self.write(f"{name}.toml", f'extends = "base.toml"\n{changes}')
        return f"{name}.toml"


class Running:
    """A command in a process of its own."""

    def __init__(self, process: Any, out: Path, err: Path) -> None:
        self.process, self.out, self.err = process, out, err

    @property
    def alive(self) -> bool:
        return bool(self.process.is_alive())

    def until(self, happened: Callable[[], bool], seconds: float = 120.0) -> None:
        """Waits for something that the command does while it runs."""
        deadline = time.monotonic() + seconds
        while not happened():
            assert self.alive, f"ended before it happened: {self.err.read_text()}"
            assert time.monotonic() < deadline, "it never happened"
            time.sleep(0.005)

    def signal(self, number: int) -> Finished:
        os.kill(self.process.pid, number)
        return self.wait()

    def kill(self) -> Finished:
        return self.signal(signal.SIGKILL)

    def wait(self, seconds: float = 180.0) -> Finished:
        self.process.join(seconds)
        assert not self.alive, f"still running after {seconds:.0f} s"
        return Finished(self.process.exitcode, self.out.read_text(), self.err.read_text())


Start = Callable[..., Running]
Command = Callable[..., Finished]


@pytest.fixture(scope="session")
def _forkserver() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmark.cli", "benchmark.runner", "benchmark.checking", "benchmark.console"])
    return context


@pytest.fixture
def start(world: World, _forkserver: Any) -> Iterator[Start]:
    """Starts ``clipdefense`` with the given arguments in a process of its own; it runs in the world's folder.

    ``file_size`` limits the bytes of every file that it writes: a full disk, as far as a process can tell.
    ``environment`` is added to its environment.
    """
    started = []

    def begin(*arguments: str, file_size: int | None = None, environment: dict[str, str] | None = None) -> Running:
        files = [world.home / f"{kind}-{len(started)}.txt" for kind in ("out", "err")]
        order = {
            "arguments": arguments,
            "home": str(world.home),
            "out": str(files[0]),
            "err": str(files[1]),
            "file_size": file_size,
            "environment": {"CLIPDEFENSE_STORE": str(world.store), **(environment or {})},
        }
        process = _forkserver.Process(target=runpy.run_path, args=(str(_COMMAND), {"order": order}))
        process.start()
        started.append(process)
        return Running(process, *files)

    yield begin
    for process in started:
        process.kill()
        process.join()
        process.close()


@pytest.fixture
def process(start: Start) -> Command:
    """Runs ``clipdefense`` to its end in a process of its own."""
    return lambda *arguments, **limits: start(*arguments, **limits).wait()


def _main(arguments: tuple[str, ...]) -> int:
    from benchmark.cli import main

    before, terminated = sys.argv, signal.getsignal(signal.SIGTERM)
    sys.argv = ["clipdefense", *arguments]
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.argv = before
        signal.signal(signal.SIGTERM, terminated)
    return 0


def _call(world: World, *arguments: str) -> Finished:
    with contextlib.ExitStack() as stack:
        out, err = (stack.enter_context(redirect(io.StringIO())) for redirect in _REDIRECTS)
        stack.enter_context(contextlib.chdir(world.home))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("CLIPDEFENSE_STORE", str(world.store))
        patch.setenv("COLUMNS", "400")
        code = _main(arguments)
    return Finished(code, out.getvalue(), err.getvalue())


_REDIRECTS: tuple[Any, ...] = (contextlib.redirect_stdout, contextlib.redirect_stderr)


@pytest.fixture(scope="session")
def call() -> Callable[..., Finished]:
    """Runs ``clipdefense`` in this process, in the folder of a world and with its store."""
    return _call


Once = Callable[[str, Callable[[World], None]], World]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Makes a world that all test processes of a run share; who comes later waits for the first and takes its world."""
    base = tmp_path_factory.getbasetemp()
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def made(name: str, make: Callable[[World], None]) -> World:
        home, done = root / name, root / f"{name}.done"
        with (root / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(home, ignore_errors=True)
                home.mkdir()
                make(World(home))
                done.touch()
        return World(home)

    return made


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """An empty world with the micro matrix, and this process in its folder."""
    monkeypatch.chdir(tmp_path)
    made = World(tmp_path)
    made.matrix("micro")
    return made


@pytest.fixture
def clipdefense(world: World) -> Command:
    """Runs ``clipdefense`` with the given arguments in this process, in the world of the test."""
    return lambda *arguments: _call(world, *arguments)


@pytest.fixture(scope="session")
def finished_micro(once: Once) -> World:
    """The micro matrix, run once. Tests read it; whoever changes it asks for ``micro``, a copy."""

    def make(empty: World) -> None:
        empty.matrix("micro")
        finished = _call(empty, "run", "micro.toml")
        assert finished.code == 0, finished.err

    return once("micro", make)


@pytest.fixture
def micro(world: World, finished_micro: World) -> World:
    """A world in which the micro matrix has been run, to be changed at will."""
    return finished_micro.copied(world.home)
