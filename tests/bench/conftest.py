"""Ratios within one run, because seconds differ from machine to machine; printed after the benchmarks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from benchmark.architectures import ModelSpec, model_spec
from benchmark.data.shapes import Shapes
from benchmark.models import Clip
from benchmark.types import Pairs

_LINES = pytest.StashKey[list[str]]()
Work = Callable[[], Any]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_LINES] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.stash[_LINES]:
        terminalreporter.section("speed")
        for line in config.stash[_LINES]:
            terminalreporter.write_line(line)


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Says a line after the benchmarks."""
    return request.config.stash[_LINES].append


def seconds(work: Work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@pytest.fixture
def versus(benchmark: Any, tell: Callable[[str], None]) -> Callable[..., float]:
    """How fast work is against bare work on the same data: bare seconds / seconds, in turns, best of all rounds."""

    def compare(name: str, work: Work, bare: Work, *, images: int, rounds: int = 7) -> float:
        work(), bare()
        times = [(seconds(bare), seconds(work)) for _ in range(rounds)]
        benchmark.pedantic(work, rounds=1)
        fastest_bare, fastest = (min(column) for column in zip(*times, strict=True))
        ratio = fastest_bare / fastest
        benchmark.extra_info.update(ratio=ratio, images_per_second=images / fastest)
        tell(
            f"{name}: {images / fastest:.0f} images/s, bare model {images / fastest_bare:.0f} images/s, "
            f"ratio {ratio:.3f}"
        )
        return ratio

    return compare


@pytest.fixture(scope="session")
def spec() -> ModelSpec:
    return model_spec("tiny-resnet")


@pytest.fixture(scope="session")
def model(spec: ModelSpec) -> Clip:
    return Clip.untrained(spec, 0)


@pytest.fixture(scope="session")
def pairs() -> Pairs:
    return Shapes().load("train", 2048, 32)
