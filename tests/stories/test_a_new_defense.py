"""A stranger writes a defense, checks it, runs it, and finds its row on the board.

Once with what ``clipdefense new`` writes, once with the example of the README.
"""

import ast
import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
EXAMPLE = re.compile(r"<!-- example: (?P<file>\w+\.py) -->\s*```python\n(?P<code>.*?)```", re.DOTALL)
OURS = re.compile(r"^\s*(from|import)\s+(benchmark|attacks|defenses|reports)\b", re.MULTILINE)
KINDS = ("attack", "defense", "inverter", "detector")


def started(clipdefense, kind, name):
    """The three commands that ``new`` names, as arguments, with the small matrix for the large one."""
    finished = clipdefense("new", kind, name)
    assert finished.code == 0, finished.err
    first, *lines = finished.out.splitlines()
    assert first.startswith(f"wrote {name}.py")
    commands = [line.split() for line in lines]
    assert [command[:2] for command in commands] == [["clipdefense", word] for word in ("check", "run", "report")]
    return [[{"quick": "micro.toml"}.get(word, word) for word in command[1:]] for command in commands]


@pytest.fixture(scope="module")
def example():
    """The README's file, its text, and the name and the option of its plugin."""
    found = EXAMPLE.search(README.read_text(encoding="utf-8"))
    assert found is not None, "README.md has no block marked <!-- example: FILE.py -->"
    (plugin,) = [node.name for node in ast.parse(found["code"]).body if isinstance(node, ast.ClassDef)]
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plugin).lower()
    return found["file"], found["code"], name, ["--plugin", f"{found['file']}:{plugin}"]


@pytest.fixture(params=["template", "readme"])
def commands(request, world, clipdefense, example):
    """What the stranger types: check, run, report."""
    if request.param == "template":
        return started(clipdefense, "defense", "my_method")
    file, code, name, option = example
    world.write(file, code)
    return [["check", name, *option], ["run", "micro.toml", *option], ["report", "micro.toml"]]


def test_the_readme_names_its_example_short_and_free_of_ours(example):
    _, code, name, option = example
    text, call = README.read_text(encoding="utf-8"), " ".join(option)
    assert f"clipdefense check {name} {call}" in text and f"clipdefense run quick {call}" in text
    assert len(code.splitlines()) <= 30 and not OURS.search(code)


def test_it_keeps_the_contract(commands, clipdefense):
    finished = clipdefense(*commands[0])
    assert finished.code == 0, finished.out
    assert len(finished.out.splitlines()) >= 8
    assert all(line.startswith("kept") for line in finished.out.splitlines())


def test_it_runs_and_stands_on_the_board(micro, commands, clipdefense):
    check, run, report = commands
    name = check[1]
    finished = clipdefense(*run)
    assert finished.out.splitlines()[-1] == "17 ok in runs/micro"
    assert len(finished.out.splitlines()) == 1 + 3, "more than its own cells was computed"
    result = micro.found()[f"tiny-resnet / shapes / badnets / {name} / seed 0"]
    assert len(result.points) > 1
    rows = [line.split() for line in clipdefense(*report).out.splitlines()]
    assert sum(row[1:2] == [name] for row in rows) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_template_is_short_and_imports_nothing_of_ours(world, clipdefense, kind):
    started(clipdefense, kind, "my_method")
    text = (world.home / "my_method.py").read_text()
    assert len(text.splitlines()) <= 30
    assert max(map(len, text.splitlines())) <= 120
    assert not OURS.search(text) and "$" not in text
    assert "MyMethod" in [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]


ONLY = {
    "attack": ("attack=my_method", "defense=none"),
    "inverter": ("source=my_method", "defense=task_vector", "attack=badnets"),
    "detector": ("attack=badnets",),
}
DONE = {"attack": "1 ok", "inverter": "1 ok", "detector": "5 ok"}


@pytest.mark.parametrize("kind", ONLY)
def test_the_other_templates_keep_their_contracts_and_run(micro, clipdefense, kind):
    check, run, _ = started(clipdefense, kind, "my_method")
    checked = clipdefense(*check)
    assert checked.code == 0, checked.out
    only = [word for choice in ("victim=poisoned", *ONLY[kind]) for word in ("--only", choice)]
    finished = clipdefense(*run, *only)
    assert finished.out.splitlines()[-1] == f"{DONE[kind]} in runs/micro", finished.out
    folder = micro.folder()
    found = [result for text, result in micro.found().items() if "my_method" in text and result is not None]
    found += [finding for study in folder.plan().studies if (finding := folder.findings.read(study.key)) is not None]
    assert {result.status for result in found} == {"ok"}


def test_a_file_goes_where_it_is_told(world, clipdefense):
    finished = clipdefense("new", "defense", "my_method", "--dir", "deep/down")
    assert (world.home / "deep" / "down" / "my_method.py").is_file()
    assert "clipdefense check my_method --plugin deep/down/my_method.py:MyMethod" in finished.out


def test_a_file_that_is_there_stays(world, clipdefense):
    world.write("my_method.py", "mine")
    assert clipdefense("new", "defense", "my_method").code == 2
    assert (world.home / "my_method.py").read_text() == "mine"
