"""Files of every version ever committed load for ever, and make the boards that they made."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.exchange.contents import read_contents
from benchmark.exchange.exporting import export_results
from benchmark.exchange.importing import import_results
from benchmark.runs import RunFolder
from reports.boards import boards
from reports.frames import read
from reports.published import FOLDER, published
from reports.tables.files import leaderboard_frame

FROZEN = sorted(path for path in Path(__file__).with_name("frozen").iterdir() if path.is_dir())
BOARD = ["model", "dataset", "knowledge", "method"]
NUMBERS = ["rank", "success", "clean_accuracy", "worst_success", "test_loss", "success_at_1", "area"]
EXPECTED = {
    "schema-1": {
        "none": ("ok", 0.9953574744661096),
        "finetune": ("ok", 0.8597957288765088),
        "cleanclip": ("failed", None),
        "pruning": ("skipped", None),
    }
}
"""Success at the blind pick, as the version that wrote the files said."""


def named(path):
    return path.name


@pytest.mark.parametrize("sample", FROZEN, ids=named)
def test_a_frozen_run_still_loads(sample, tmp_path):
    shutil.copytree(sample, tmp_path / "old")
    folder = RunFolder(tmp_path / "old")
    found = [(planned.cell, folder.whole(planned.key)) for planned in folder.plan().cells]
    frames = read(folder)
    blind = frames.picks[(frames.picks["rule"] == "blind") & (frames.picks["budget"] == 2.0)].set_index("cell")
    for number, (cell, result) in enumerate(found):
        assert result is not None
        if cell.victim == "poisoned":
            status, success = EXPECTED[sample.name][cell.defense]
            assert result.status == status
            if success is not None:
                assert blind.loc[number, "attack_success_rate"] == pytest.approx(success)
    assert boards(frames)


@pytest.mark.parametrize("sample", FROZEN, ids=named)
def test_a_frozen_run_still_travels(sample, tmp_path):
    exported = export_results(RunFolder(sample), tmp_path / "old.zip")
    assert exported.results == len(list((sample / "results").glob("*.json"))) and not exported.missing
    imported = import_results(tmp_path / "old.zip", tmp_path)
    assert imported.added == exported.results


def test_every_schema_has_a_frozen_run():
    from benchmark.results import SCHEMA_VERSION

    assert [path.name for path in FROZEN] == [f"schema-{number}" for number in range(1, SCHEMA_VERSION + 1)]
    assert EXPECTED.keys() == {path.name for path in FROZEN}


@pytest.mark.parametrize("name", published())
def test_published_results_make_the_boards_that_they_made(name, tmp_path):
    folder = import_results(published()[name], tmp_path, name).folder
    assert all(folder.whole(planned.key) is not None for planned in folder.plan().cells)
    again = leaderboard_frame(boards(read(folder))).set_index(BOARD)
    before = pd.read_csv(FOLDER / name / "leaderboard.csv").set_index(BOARD)
    assert len(again) == len(before) and again.index.is_unique
    np.testing.assert_allclose(
        again.loc[before.index, NUMBERS].astype(float), before[NUMBERS].astype(float), rtol=0, atol=1e-9
    )
    assert (again["rank"].notna()).any()


def test_published_results_are_named_by_matrix_and_version_and_stay_small():
    assert "quick-3-v1" in published()
    for name, path in published().items():
        matrix, _, version = name.rpartition("-v")
        assert read_contents(path).plan.matrix == matrix and int(version) >= 1
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 5 * 2**20


def test_published_files_hold_no_image_and_no_place():
    for path in published().values():
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            assert {Path(name).suffix for name in names} <= {".json", ".npz"}
            for name in names:
                if name.endswith(".json"):
                    text = archive.read(name).decode()
                    assert not any(f'"/{top}/' in text for top in ("home", "root", "tmp", "work", "Users", "mnt"))


def test_a_report_of_published_results(world, clipdefense):
    finished = clipdefense("report", "quick-3-v1", "--published")
    assert finished.code == 0, finished.err
    assert "94 cells: 94 ok, 0 skipped, 0 failed, 0 missing." in finished.out
    assert (world.home / "runs" / "quick-3-v1" / "report" / "leaderboard.csv").is_file()
    finished = clipdefense("report", "quick-3-v2", "--published")
    assert finished.code == 2 and "did you mean 'quick-3-v1'" in finished.err
