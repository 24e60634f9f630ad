"""House rule 1: no file above 300 lines, no function above 50."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("benchmark", "attacks", "defenses", "reports")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
FILE_CEILING = 300
FUNCTION_CEILING = 50


def named(path):
    return str(path.relative_to(ROOT))


def functions(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_every_package_is_seen():
    assert {path.relative_to(ROOT).parts[0] for path in FILES} == set(PACKAGES)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_files_stay_below_their_ceiling(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= FILE_CEILING, f"{named(path)} has {lines} lines; split it at {FILE_CEILING}"


@pytest.mark.parametrize("path", FILES, ids=named)
def test_functions_stay_below_their_ceiling(path):
    long = [
        f"{node.name} ({node.end_lineno - node.lineno + 1})"
        for node in functions(path)
        if node.end_lineno - node.lineno + 1 > FUNCTION_CEILING
    ]
    assert not long, f"{named(path)}: above {FUNCTION_CEILING} lines: {', '.join(long)}; split them"


def test_no_file_is_a_drawer():
    assert [named(path) for path in FILES if path.stem in ("utils", "util", "helpers", "misc", "common")] == []
