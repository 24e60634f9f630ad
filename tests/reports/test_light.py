"""Reports never load torch, and asking for the api costs next to nothing."""

import subprocess
import sys

SCRIPT = """
import sys
import reports.api
early = sorted({"pandas", "matplotlib", "seaborn", "scipy", "torch"} & set(sys.modules))
assert not early, early
from pathlib import Path
from benchmark.runs import RunFolder
folder = RunFolder(Path(sys.argv[1]))
reports.api.write_report(folder)
reports.api.write_figures(folder)
heavy = sorted({"torch", "open_clip", "torchvision", "sklearn"} & set(sys.modules))
assert not heavy, heavy
"""


def test_a_report_is_written_without_torch(build):
    folder = build(attacks=("badnets",), seeds=(0,), images=60, points=2)
    run = subprocess.run([sys.executable, "-c", SCRIPT, str(folder.path)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
