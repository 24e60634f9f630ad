"""A run travels as one file: what arrives is what left, and nothing that is there already is touched."""

import errno
from pathlib import Path

import pytest

from benchmark.agreement import same_numbers, same_outcomes
from benchmark.results import Outcomes, Result
from benchmark.runs import RunFolder
from reports.boards import boards
from reports.frames import read

CELL = "tiny-resnet / shapes / blended / pruning / seed 0"


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def file(world, exported):
    (world.home / "micro.zip").write_bytes(exported)
    return "micro.zip"


@pytest.fixture
def again(finished_micro, tmp_path):
    """The run folder of the micro matrix, in a world without its store."""
    for path in finished_micro.folder().path.rglob("*"):
        if path.is_file():
            target = tmp_path / path.relative_to(finished_micro.home)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return RunFolder(tmp_path / "runs" / "micro")


def test_what_arrives_is_what_left(finished_micro, world, clipdefense, file):
    finished = clipdefense("import-results", file)
    assert (finished.code, finished.out) == (0, "14 results imported into runs/micro\n")
    there, here = finished_micro.folder(), world.folder()
    assert here.plan() == there.plan()
    for planned in there.plan().cells:
        before, after = there.whole(planned.key), here.whole(planned.key)
        assert same_numbers(before, after)
        assert same_outcomes(there.outcomes(planned.key), here.outcomes(planned.key))
        assert (after.cost, after.provenance, after.resolved) == (before.cost, before.provenance, before.resolved)
    one, other = (boards(read(folder)) for folder in (there, here))
    assert len(one) == len(other) > 1
    assert all(a.rows.equals(b.rows) and a.notes == b.notes for a, b in zip(one, other, strict=True))


def test_an_imported_run_is_finished(world, clipdefense, file, monkeypatch):
    clipdefense("import-results", file)
    monkeypatch.setattr("benchmark.cells.Laboratory.compute", lambda self, job: 1 / 0)
    assert clipdefense("run", "micro.toml").out.splitlines() == ["14 ok in runs/micro"]


def test_the_same_run_gives_the_same_file(world, clipdefense, file, exported):
    clipdefense("import-results", file)
    assert clipdefense("export-results", "micro", "again.zip").code == 0
    assert (world.home / "again.zip").read_bytes() == exported


def test_an_export_never_overwrites(again, world, clipdefense, file, exported):
    finished = clipdefense("export-results", "micro", file)
    assert (finished.code, finished.err) == (2, "'micro.zip' exists already; choose another name or remove it\n")
    assert (world.home / file).read_bytes() == exported


def test_holes_stay_holes(again, world, clipdefense):
    key = next(planned.key for planned in again.plan().cells if planned.cell.text == CELL)
    (again.files / f"{key}.json").unlink()
    assert clipdefense("export-results", "micro", "part.zip").out == "13 results in part.zip, 1 are missing\n"
    clipdefense("import-results", "part.zip", "--as", "part")
    assert [text for text, result in world.found("part").items() if result is None] == [CELL]


def test_equal_results_are_skipped_and_holes_filled(again, world, clipdefense, file):
    for planned in again.plan().cells[:5]:
        for kind in ("json", "npz"):
            (again.files / f"{planned.key}.{kind}").unlink()
    before = contents(again.path)
    finished = clipdefense("import-results", file)
    assert finished.out == "5 results imported into runs/micro, 9 were there already\n"
    after = contents(again.path)
    assert len(after) == len(before) + 10 and before.items() <= after.items()
    assert None not in world.found().values()
    assert clipdefense("import-results", file).out == "0 results imported into runs/micro, 14 were there already\n"
    assert contents(again.path) == after


def test_a_computation_elsewhere_is_equal_whatever_its_clock_said(again, clipdefense, file):
    planned = again.plan().cells[3]
    result = again.result(planned.key)
    provenance = result.provenance.model_copy(update={"utc": "2031-01-01T00:00:00+00:00", "device": "another"})
    cost = result.cost.model_copy(update={"seconds": 1e6})
    again.write(result.model_copy(update={"provenance": provenance, "cost": cost}), None)
    assert clipdefense("import-results", file).out.startswith("0 results imported")
    assert again.result(planned.key).cost.seconds == 1e6


def test_a_different_result_is_named_and_stays(again, world, clipdefense, file):
    planned = again.plan().cells[3]
    again.write(again.result(planned.key).model_copy(update={"classes": 11}), None)
    (again.files / f"{again.plan().cells[4].key}.json").unlink()
    (again.files / f"{again.plan().cells[4].key}.npz").unlink()
    before = contents(world.home / "runs")
    finished = clipdefense("import-results", file)
    assert finished.code == 2
    assert planned.key in finished.err and planned.cell.text in finished.err
    assert "is there with other numbers and stays" in finished.err
    assert contents(world.home / "runs") == before, "something was imported beside the refusal"


def test_other_outcomes_are_a_different_result(again, clipdefense, file):
    planned = again.plan().cells[3]
    result, found = again.result(planned.key), again.outcomes(planned.key)
    names = ("validation", "test", "validation_other", "test_other")
    again.write(result, Outcomes(**{n: ~getattr(found, n) if n == "test" else getattr(found, n) for n in names}))
    assert planned.key in clipdefense("import-results", file).err


def test_a_damaged_result_is_named_and_stays(again, clipdefense, file):
    path = again.files / f"{again.plan().cells[3].key}.json"
    path.write_text("{")
    finished = clipdefense("import-results", file)
    assert finished.code == 2 and "is there and damaged; remove it" in finished.err
    assert path.read_text() == "{"


def test_another_plan_of_the_same_name_is_refused(world, clipdefense, file):
    world.matrix("micro", "sizes = { test = 50 }")
    clipdefense("plan", "micro.toml")
    before = contents(world.home / "runs")
    finished = clipdefense("import-results", file)
    assert finished.code == 2
    assert "the plan in 'runs/micro' is another one" in finished.err and "--as NAME" in finished.err
    assert contents(world.home / "runs") == before
    assert clipdefense("import-results", file, "--as", "theirs").out == "14 results imported into runs/theirs\n"


@pytest.mark.parametrize("name", ["../micro", "/tmp/micro", ".hidden", "a b", "a.b"])
def test_a_name_that_leaves_the_folder_is_refused(world, clipdefense, file, name):
    finished = clipdefense("import-results", file, "--as", name)
    assert (finished.code, finished.err) == (2, f"'{name}' is no name for a run folder; choose one with --as\n")
    assert not (world.home / "runs").exists()


def test_a_full_disk_leaves_nothing_behind(world, process, file):
    finished = process("import-results", file, file_size=6000)
    assert finished.code == 1 and len(finished.err.splitlines()) == 1
    assert "cannot write" in finished.err
    assert [path for path in (world.home / "runs").rglob("*") if path.is_file()] == []


def test_what_cannot_be_moved_in_whole_is_moved_out_again(world, clipdefense, file, monkeypatch):
    rename, moved = Path.rename, []

    def fail(self, target):
        moved.append(target)
        if len(moved) == 9:
            raise OSError(errno.ENOSPC, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    finished = clipdefense("import-results", file)
    assert finished.code == 1 and "no space left on device" in finished.err
    assert list((world.home / "runs").iterdir()) == []


def test_places_of_a_machine_stay_at_home(again, world, clipdefense):
    planned = again.plan().cells[3]
    here = str(world.home)
    failed = Result(
        metric_version=1,
        key=planned.key,
        cell=planned.cell,
        status="failed",
        reason="KeyError: 5",
        traceback=f'File "{here}/plugin.py"',
        knowledge=planned.knowledge,
        resolved={"dataset": {"path": f"{here}/cifar10", "seed": 0}, "templates": ("a / b", f"{here}/x")},
    )
    (again.files / f"{planned.key}.npz").unlink()
    again.write(failed, None)
    assert clipdefense("export-results", "micro", "away.zip").code == 0
    imported = clipdefense("import-results", "away.zip", "--as", "away")
    assert imported.code == 0, imported.err
    found = world.found("away")[planned.cell.text]
    assert (found.status, found.reason, found.traceback) == ("failed", "KeyError: 5", "")
    assert found.resolved == {"dataset": {"path": "cifar10", "seed": 0}, "templates": ["a / b", "x"]}


def test_a_result_that_cannot_be_true_is_not_exported(again, world, clipdefense):
    planned = again.plan().cells[3]
    result = again.result(planned.key)
    victim = result.victim.model_copy(update={"clean_accuracy": 1.5})
    again.write(result.model_copy(update={"victim": victim}), None)
    finished = clipdefense("export-results", "micro", "wrong.zip")
    assert finished.code == 1 and planned.cell.text in finished.err and "is 1.5" in finished.err
    assert not (world.home / "wrong.zip").exists()
