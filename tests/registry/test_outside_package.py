"""Somebody else's package with a defense and an attack: installed, it takes part without a change to this project."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

import benchmark

pytestmark = pytest.mark.xdist_group("processes")

FILES = {
    "pyproject.toml": """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "somebodys-defenses"
version = "3.1"

[project.entry-points."clipdefense.defenses"]
weight_noise = "somebody.noise:WeightNoise"

[project.entry-points."clipdefense.attacks"]
frame = "somebody.frame:Frame"

[tool.hatch.build.targets.wheel]
packages = ["somebody"]
""",
    "somebody/__init__.py": "",
    "somebody/noise.py": '''
"""Adds noise to all weights. Differs from the paper: there is none."""

from dataclasses import dataclass
from typing import ClassVar

import torch


@dataclass(frozen=True, kw_only=True)
class WeightNoise:
    """One point per size of the noise."""

    largest: float = 0.02

    needs: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, model, context):
        generator = torch.Generator().manual_seed(context.seed)
        for share in (0.5, 1.0):
            size = self.largest * share
            weights = {
                name: value + size * torch.randn(value.shape, generator=generator)
                for name, value in model.weights().items()
                if value.is_floating_point() and "running" not in name
            }
            yield size, model.with_weights(weights)
''',
    "somebody/frame.py": '''
"""A frame around the image. Differs from the paper: there is none."""

from dataclasses import dataclass

from .colour import WHITE


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A white frame of one pixel."""

    target: str = "heart"

    def trigger(self, images, ids):
        framed = images.clone()
        framed[..., 0, :] = framed[..., -1, :] = framed[..., 0] = framed[..., -1] = WHITE
        return framed
''',
    "somebody/colour.py": "WHITE = 1.0\n",
}
CODE = "from benchmark.cli import main; main()"


def output(*command, **options):
    finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, **options)
    assert finished.returncode == 0, finished.stderr + finished.stdout
    return finished.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The interpreter of an environment that sees this one, with the package installed by pip."""
    source = tmp_path_factory.mktemp("package")
    for name, text in FILES.items():
        path = source / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False)
    interpreter = home / "bin" / "python"
    site = Path(output(interpreter, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    seen = (sysconfig.get_path("purelib"), Path(benchmark.__file__).parents[1])
    (site / "seen.pth").write_text("".join(f"{path}\n" for path in seen))
    pip = (sys.executable, "-m", "pip", "--python", interpreter, "--disable-pip-version-check", "install", "--quiet")
    output(*pip, "--no-index", "--no-deps", "--no-build-isolation", source)
    assert (site / "somebody" / "noise.py").is_file()
    return interpreter


@pytest.fixture(scope="module")
def finished(python, finished_micro, tmp_path_factory):
    """The micro world after a run and a report of a matrix with the package's plugins, in its interpreter."""
    world = finished_micro.copied(tmp_path_factory.mktemp("outside"))
    world.matrix("foreign", 'attacks = ["frame"]\nbenign = ""\ndefenses = ["weight_noise", "finetune"]')
    ran = output(python, "-c", CODE, "run", "foreign.toml", "--store", "store", cwd=world.home)
    reported = output(python, "-c", CODE, "report", "foreign.toml", cwd=world.home)
    return world, ran, reported


@pytest.mark.parametrize(("what", "name"), [("defenses", "weight_noise"), ("attacks", "frame")])
def test_it_is_listed_with_its_origin(python, what, name):
    rows = {line.split()[0]: line.split()[1] for line in output(python, "-c", CODE, "list", what).splitlines()}
    assert rows[name] == "somebodys-defenses"
    assert rows[{"defenses": "pruning", "attacks": "badnets"}[what]] == "clipdefense"


def test_it_is_not_listed_where_it_is_not_installed(clipdefense):
    assert "weight_noise" not in clipdefense("list", "defenses").out


def test_it_is_shown(python):
    shown = output(python, "-c", CODE, "show", "weight_noise")
    assert shown.startswith("weight_noise (defense, from somebodys-defenses)")
    assert "largest = 0.02" in shown


def test_it_runs_in_a_matrix(finished):
    world, ran, _ = finished
    assert ran.splitlines()[-1] == "4 ok in runs/foreign"
    result = world.found("foreign")["tiny-resnet / shapes / frame / weight_noise / seed 0"]
    assert [point.strength for point in result.points] == [0.01, 0.02]
    assert result.resolved["attack"] == {"plugin": "somebody.frame:Frame", "target": "heart"}
    assert result.points[0].test != result.points[1].test


def test_it_stands_on_the_leaderboard(finished):
    world, _, reported = finished
    assert "weight_noise" in reported
    assert "weight_noise" in (world.folder("foreign").report / "leaderboard.csv").read_text()
