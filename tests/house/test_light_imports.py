"""House rule 8: what status, report and listing import does not load torch."""

import json
import subprocess
import sys

import pytest

PROBE = """
import importlib, json, pkgutil, sys
heavy = {"torch", "open_clip", "torchvision"}
found = {}
for name in sys.argv[1:]:
    root = importlib.import_module(name.removesuffix(".*"))
    inside = pkgutil.walk_packages(root.__path__, f"{root.__name__}.") if name.endswith(".*") else ()
    for module in inside:
        importlib.import_module(module.name)
    found[name] = sorted(heavy & set(sys.modules))
print(json.dumps(found))
"""
LIGHT = (
    "benchmark",
    "benchmark.types",
    "benchmark.architectures",
    "benchmark.registry",
    "benchmark.results",
    "benchmark.runs",
    "benchmark.agreement",
    "benchmark.exchange.*",
    "benchmark.templates",
    "benchmark.cli",
    "reports.*",
)
HEAVY = "benchmark.pixels"


@pytest.fixture(scope="module")
def loaded():
    """Module -> heavy packages that are loaded once it and those before it are imported in a fresh interpreter."""
    command = [sys.executable, "-W", "ignore", "-c", PROBE, *LIGHT, HEAVY]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


@pytest.mark.parametrize("module", LIGHT)
def test_light_modules_load_no_torch(loaded, module):
    assert loaded[module] == []


def test_the_probe_sees_torch_where_it_is_loaded(loaded):
    assert "torch" in loaded[HEAVY]
