"""The defense that the README tells a newcomer to write: it is short, keeps the contract, and gets on the board."""

import ast
import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
EXAMPLE = re.compile(r"<!-- example: (?P<file>\w+\.py) -->\s*```python\n(?P<code>.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def example():
    """The file's name, its text and the name of its class."""
    found = EXAMPLE.search(README.read_text(encoding="utf-8"))
    if found is None:
        pytest.skip("README.md has no block marked <!-- example: FILE.py -->")
    (plugin,) = [node.name for node in ast.parse(found["code"]).body if isinstance(node, ast.ClassDef)]
    return found["file"], found["code"], plugin


@pytest.fixture
def plugin(world, example):
    """``file.py:Class`` and the plugin's name, with the file in the world's folder."""
    file, code, plugin = example
    world.write(file, code)
    return f"{file}:{plugin}", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plugin).lower()


def test_it_fits_in_thirty_lines_and_imports_nothing_of_ours(example):
    _, code, _ = example
    assert len(code.splitlines()) <= 30
    assert not re.search(r"\b(benchmark|attacks|defenses|reports)\b", code)


def test_it_keeps_the_contract(plugin, clipdefense):
    location, name = plugin
    finished = clipdefense("check", name, "--plugin", location)
    assert finished.code == 0, finished.out
    assert len(finished.out.splitlines()) >= 8
    assert all(line.startswith("kept") for line in finished.out.splitlines())


def test_it_runs_and_stands_on_the_board(micro, plugin, clipdefense):
    location, name = plugin
    finished = clipdefense("run", "micro.toml", "--plugin", location)
    assert finished.out.splitlines()[-1] == "17 ok in runs/micro"
    assert len(finished.out.splitlines()) == 1 + 3, "more than its own cells was computed"
    result = micro.found()[f"tiny-resnet / shapes / badnets / {name} / seed 0"]
    assert len(result.points) > 1
    assert name in clipdefense("report", "micro.toml").out


def test_the_commands_of_the_readme_name_it(plugin):
    location, name = plugin
    text = README.read_text(encoding="utf-8")
    assert f"clipdefense check {name} --plugin {location}" in text
    assert f"--plugin {location}" in text.split("clipdefense run quick ")[1]
