"""What a report costs, page included, on synthetic runs of 500, 1,000 and 2,000 cells with three seeds each."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

SEEDS = 3
SIZES = (500, 1000, 2000)
SECONDS = 20.0
"""Of processor, which is what a report takes on a machine that does nothing else, whatever the others do here."""
BYTES = 2e9
GROWTH = 1.4
"""How much more than in proportion to its cells a report may cost; other work on the machine is in it."""
SCRIPT = """
import json, resource, sys, time
from pathlib import Path
started = time.perf_counter()
from benchmark.runs import RunFolder
from reports.api import write_report
folder = RunFolder(Path(sys.argv[1]))
write_report(folder)
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    "seconds": time.perf_counter() - started,
    "processor": used.ru_utime + used.ru_stime,
    "memory": used.ru_maxrss * 1024,
    "page": (folder.report / "leaderboard.html").stat().st_size,
}))
"""


@pytest.fixture(scope="module")
def synthetic():
    """The synthetic runs that the tests of reports are made of."""
    path = Path(__file__).parents[1] / "reports" / "conftest.py"
    spec = importlib.util.spec_from_file_location("synthetic_runs", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def small(synthetic, tmp_path_factory):
    """One model, ten attacks, twenty defenses on five boards, eight points each, 1,000 images."""
    needs = ((), ("clean_pairs",), ("clean_pairs", "target"), ("clean_pairs", "reference_model"), ("trigger",))
    world = synthetic.Synthetic(
        attacks=(*synthetic.ATTACKS, "dirty", "invisible"),
        defenses={"none": (), **{f"method_{number}": needs[number % len(needs)] for number in range(19)}},
        seeds=tuple(range(SEEDS)),
        images=1000,
        points=8,
        benign=False,
    )
    return synthetic.write(world, tmp_path_factory.mktemp("small") / "small")


def cost_of(folder):
    """Seconds, seconds of processor, peak memory in bytes and the page's size, of a process of its own."""
    command = [sys.executable, "-c", SCRIPT, str(folder.path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_writing_a_report(synthetic, small, tmp_path, benchmark, tell):
    folders = [synthetic.multiplied(small, tmp_path / str(size), size * SEEDS) for size in SIZES]
    costs = [cost_of(folder) for folder in folders[:-1]]
    costs.append(benchmark.pedantic(cost_of, args=folders[-1:], rounds=1))
    for size, cost in zip(SIZES, costs, strict=True):
        tell(
            f"report of {size:,} cells x {SEEDS} seeds: {cost['seconds']:.1f} s, "
            f"{cost['processor']:.1f} s of processor, {cost['memory'] / 1e9:.2f} GB, page {cost['page'] / 1e6:.1f} MB"
        )
    benchmark.extra_info.update(dict(zip(map(str, SIZES), costs, strict=True)))
    first, middle, last = (cost["processor"] for cost in costs)
    assert last - middle < GROWTH * (SIZES[2] - SIZES[1]) / (SIZES[1] - SIZES[0]) * (middle - first)
    assert costs[-1]["processor"] < SECONDS and costs[-1]["memory"] < BYTES
