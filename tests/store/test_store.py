"""The store: written whole or not at all, checked when read, and safe against deaths at any moment."""

import os
import signal
import stat
import subprocess
import sys

import pytest

from benchmark.errors import StorageError, UserError
from benchmark.files import replacing
from benchmark.runs import write_atomically
from benchmark.store import DiedRepeatedly, Store, default_store

KEY = "0123456789abcdef"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def fill(folder):
    (folder / "weights").write_bytes(bytes(range(256)) * 64)
    (folder / "notes.json").write_text("{}")


def test_what_is_written_is_read(store):
    assert store.read("victim", KEY) is None
    assert not store.has("victim", KEY)
    folder = store.write("victim", KEY, fill)
    assert store.read("victim", KEY) == folder == store.path("victim", KEY)
    assert store.has("victim", KEY)
    assert not store.has("pretrained", KEY)
    assert {path.name for path in folder.iterdir()} == {"weights", "notes.json", "manifest.json"}


def test_a_later_write_replaces_an_earlier_one(store):
    store.write("victim", KEY, fill)
    folder = store.write("victim", KEY, lambda place: place.joinpath("other").touch())
    assert {path.name for path in folder.iterdir()} == {"other", "manifest.json"}
    assert store.read("victim", KEY) == folder


def flip(folder):
    data = bytearray((folder / "weights").read_bytes())
    data[1000] ^= 1
    (folder / "weights").write_bytes(data)


def shorten(folder):
    os.truncate(folder / "weights", 100)


def lose(folder):
    (folder / "notes.json").unlink()


def garble(folder):
    (folder / "manifest.json").write_text('{"weights": ')


def list_manifest(folder):
    (folder / "manifest.json").write_text("[]")


def strip(folder):
    (folder / "manifest.json").unlink()


@pytest.mark.parametrize("damage", [flip, shorten, lose, garble, list_manifest, strip])
def test_a_damaged_artifact_is_not_handed_out_and_makes_room(store, damage):
    folder = store.write("victim", KEY, fill)
    damage(folder)
    assert store.read("victim", KEY) is None
    assert not folder.exists()
    assert store.write("victim", KEY, fill) == store.read("victim", KEY)


def test_a_failing_write_leaves_nothing(store):
    def break_off(folder):
        fill(folder)
        raise ValueError("halfway")

    with pytest.raises(ValueError, match="halfway"):
        store.write("victim", KEY, break_off)
    assert store.artifacts() == []
    assert store.read("victim", KEY) is None


def test_a_failing_write_keeps_what_was_there(store):
    store.write("victim", KEY, fill)

    def break_off(folder):
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match="No space left on device; free space or choose another store"):
        store.write("victim", KEY, break_off)
    assert store.read("victim", KEY) is not None


DYING = f"""
import os, signal, sys
from pathlib import Path
from benchmark.store import Store

def die(folder=None):
    if folder is not None:
        (folder / "weights").write_bytes(bytes(1000))
    os.kill(os.getpid(), signal.SIGKILL)

store = Store(Path(sys.argv[1]))
if sys.argv[2] == "write":
    store.write("victim", "{KEY}", die)
with store.started("victim", "{KEY}"):
    die()
"""


def dead(what, root):
    """A process that kills itself while it writes to the store or does some work for it."""
    finished = subprocess.run([sys.executable, "-c", DYING, str(root), what], check=False, capture_output=True)
    assert finished.returncode == -signal.SIGKILL, finished.stderr


def test_what_a_dead_process_left_half_written_is_never_accepted(store):
    dead("write", store.root)
    left = [key for _, key, _ in store.artifacts()]
    assert len(left) == 1, "the process was meant to die while it was writing"
    assert left[0].startswith(".writing-")
    assert not store.has("victim", KEY)
    assert store.read("victim", KEY) is None
    assert store.read("victim", left[0]) is None


def test_two_deaths_are_enough(store):
    for deaths in (1, 2):
        dead("work", store.root)
        assert store.deaths("victim", KEY) == deaths
    with pytest.raises(DiedRepeatedly, match="died 2 times"), store.started("victim", KEY):
        raise AssertionError("work that killed two processes is started once more")
    with store.started("victim", "another"):
        pass
    store.forget_deaths("victim", KEY)
    with store.started("victim", KEY):
        assert store.deaths("victim", KEY) == 0


def test_a_success_after_a_death_clears_the_record(store):
    dead("work", store.root)
    with store.started("victim", KEY):
        pass
    dead("work", store.root)
    assert store.deaths("victim", KEY) == 1


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_is_no_death(store, error):
    with pytest.raises(error), store.started("victim", KEY):
        raise error
    assert store.deaths("victim", KEY) == 0


def test_a_damaged_marker_counts_as_none(store):
    (store.root / "started" / f"victim-{KEY}").write_text("{")
    assert store.deaths("victim", KEY) == 0


def test_a_file_in_place_of_the_store_is_the_users_mistake(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "store"):
        with pytest.raises(UserError, match="choose another with --store"):
            Store(place)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_store_is_the_users_mistake(store):
    store.root.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(UserError, match="read-only; choose another with --store"):
        Store(store.root)
    store.root.chmod(stat.S_IRWXU)


def test_the_environment_names_the_store(monkeypatch, tmp_path):
    monkeypatch.setenv("CLIPDEFENSE_STORE", str(tmp_path))
    assert default_store() == tmp_path
    monkeypatch.delenv("CLIPDEFENSE_STORE")
    assert default_store().parts[-2:] == ("clipdefense", "store")


def test_whoever_the_umask_allows_may_read_what_is_written(store):
    """Stores and reports are shared: a page on a web server, trained victims on the disk of a group."""
    before = os.umask(0o022)
    try:
        folder = store.write("victim", "k", lambda place: write_atomically(place / "weights", b"data"))
        with replacing(store.root / "page.html") as page:
            page.write_text("page")
    finally:
        os.umask(before)
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.iterdir(), store.root / "page.html"]
    }
    assert modes == {"k": 0o755, "weights": 0o644, "manifest.json": 0o644, "page.html": 0o644}
