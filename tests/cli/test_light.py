"""Commands that only look at metadata or results load nothing heavy. In processes of their own, started for real."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "open_clip", "pandas", "matplotlib", "scipy", "sklearn", "datasets")
PROBE = f"""
import json, sys
from benchmark.cli import main
sys.argv = ["clipdefense", *json.loads(sys.argv[1])]
try:
    main()
finally:
    print("loaded:", json.dumps([name for name in {HEAVY} if name in sys.modules]))
"""


def loaded(world, *arguments):
    """The exit code, the output, and which of the heavy packages a command has imported at its end."""
    finished = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(arguments)],
        capture_output=True,
        text=True,
        cwd=world.home,
        env={"PATH": "/usr/bin:/bin", "CLIPDEFENSE_STORE": str(world.store), "HOME": str(world.home)},
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    *lines, last = finished.stdout.splitlines()
    return lines, json.loads(last.removeprefix("loaded: "))


@pytest.mark.parametrize(
    "command",
    [
        "--help",
        "run --help",
        "list attacks",
        "list defenses",
        "list models",
        "list matrices",
        "list datasets",
        "new defense my_method",
    ],
)
def test_help_and_list_load_nothing_heavy(world, command):
    lines, heavy = loaded(world, *command.split())
    assert len(lines) > 2
    assert heavy == []


def test_status_loads_nothing_heavy(finished_micro):
    lines, heavy = loaded(finished_micro, "status", "micro.toml")
    assert lines[1].split() == ["ok", "14"]
    assert heavy == []


def test_prune_loads_nothing_heavy(finished_micro):
    assert loaded(finished_micro, "store", "prune", "--dry-run")[1] == []


def test_report_never_loads_a_model(micro):
    lines, heavy = loaded(micro, "report", "micro.toml")
    assert lines
    assert not {"torch", "torchvision", "open_clip"} & set(heavy)
    assert "pandas" in heavy


def test_lines_are_not_broken_in_a_pipe(world):
    lines, _ = loaded(world, "list", "attacks")
    for line in lines[1:]:
        assert len(line.split()) == 3
