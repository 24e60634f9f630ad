"""The repository speaks of no machine that it was written on."""

import os
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SKIPPED = {"__pycache__", "runs", "dist", "node_modules"}
KEPT = {".ci", ".github"}
MACHINE = re.compile(r"(?<![\w.:/-])/" + r"(?:work/|tmp/briefs|root/|home/\w+/)")


def files():
    for folder, inside, names in os.walk(ROOT):
        inside[:] = [name for name in inside if name not in SKIPPED and (name[0] != "." or name in KEPT)]
        yield from (Path(folder) / name for name in names if name != ".git" and (Path(folder) / name).is_file())


def text_of(path):
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def test_no_file_names_a_path_of_a_machine():
    found = [str(path.relative_to(ROOT)) for path in files() if MACHINE.search(text_of(path))]
    assert found == [], "name no place on one machine; write paths relative to the repository"


def test_the_search_finds_such_a_path():
    assert MACHINE.search("see /" + "work/main/x.py")
    assert MACHINE.search('"/' + 'tmp/briefs"')
    assert not MACHINE.search("https://example.org/" + "work/paper")
    assert not MACHINE.search("the frame" + "work/ of it")
    assert sum(1 for _ in files()) > 50
