"""Places that cannot be written to: the run stops in one sentence, keeps what it has, and goes on later."""

import os

import pytest

from benchmark.store import Store

pytestmark = pytest.mark.xdist_group("processes")

ONE = ("run", "micro.toml", "--only", "attack=badnets", "--only", "defense=none")


def is_one_sentence(finished, code):
    assert finished.code == code, finished.err
    assert "Traceback" not in finished.err
    assert len(finished.err.splitlines()) == 1
    return True


def test_a_disk_too_small_for_a_model(world, process):
    finished = process(*ONE, file_size=2**20)
    assert is_one_sentence(finished, 1)
    assert f"cannot write '{world.store / 'pretrained'}" in finished.err
    assert "free space or choose another store" in finished.err
    assert not list(world.store.rglob(".writing-*")), "half-written files stay and fill the disk"
    assert not Store(world.store).artifacts()
    assert not list((world.store / "started").iterdir()), "a full disk counts as a death"


def test_a_disk_too_small_for_a_result(micro, process):
    for path in micro.folder().files.glob("*"):
        path.unlink()
    finished = process("run", "micro.toml", file_size=1500)
    assert is_one_sentence(finished, 1)
    assert "cannot write '" in finished.err
    assert not list(micro.folder().files.glob("*.json"))
    finished = process("run", "micro.toml")
    assert finished.out.splitlines() == ["14 ok in runs/micro"], "results were lost from the store"


def test_a_disk_too_small_for_an_export(micro, process):
    export = ("export-model", "micro.toml", "--what", "victim", "--only", "attack=badnets", "--out", "out.safetensors")
    finished = process(*export, file_size=2**20)
    assert is_one_sentence(finished, 1)
    assert "cannot write 'out.safetensors': " in finished.err
    assert not [path for path in micro.home.iterdir() if "safetensors" in path.name or path.suffix == ".json"]
    assert process(*export).code == 0


def test_a_file_in_place_of_the_run_folder(world, clipdefense):
    world.write("runs", "")
    finished = clipdefense(*ONE)
    assert is_one_sentence(finished, 1)
    assert "cannot write 'runs/micro/plan.json'" in finished.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_store(world, clipdefense):
    world.store.mkdir(mode=0o500)
    (world.store / "started").mkdir(exist_ok=True)
    finished = clipdefense(*ONE)
    assert is_one_sentence(finished, 2)
    assert "the store" in finished.err
