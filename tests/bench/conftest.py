"""Ratios within one run, because seconds differ from machine to machine; printed after the benchmarks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from benchmark.architectures import ModelSpec, model_spec
from benchmark.data.shapes import Shapes
from benchmark.models import Clip
from benchmark.throughput import Race
from benchmark.types import Pairs

_LINES = pytest.StashKey[list[str]]()


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


@pytest.fixture
def versus(benchmark: Any, tell: Callable[[str], None]) -> Callable[[str, Race], float]:
    """Tells how fast our own code is against the bare model, and returns the ratio."""

    def compare(name: str, race: Race, *, rounds: int = 5) -> float:
        found = race.run(rounds)
        benchmark.pedantic(race.ours, rounds=1)
        benchmark.extra_info.update(ratio=found.ratio, images_per_second=found.ours)
        tell(f"{name}: {found.ours:.0f} images/s, bare model {found.bare:.0f} images/s, ratio {found.ratio:.3f}")
        return found.ratio

    return compare


@pytest.fixture(scope="session")
def spec() -> ModelSpec:
    return model_spec("tiny-resnet")


@pytest.fixture(scope="session")
def model(spec: ModelSpec) -> Clip:
    return Clip.untrained(spec, 0)


@pytest.fixture(scope="session")
def pairs() -> Pairs:
    return Shapes().load("train", 2000, 32)
