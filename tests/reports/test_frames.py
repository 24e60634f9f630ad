"""A run folder becomes rows; what is not there becomes rows that say so."""

import numpy as np
import pytest

from benchmark.errors import UserError
from benchmark.runs import RunFolder
from reports.frames import read
from reports.statistics.budgets import AREA
from reports.summaries import at_picks, success_column, victims


@pytest.fixture(scope="module")
def frames(mixed):
    return read(mixed)


def test_every_planned_cell_is_a_row(frames):
    assert len(frames.cells) == len(frames.plan.cells)
    assert frames.cells["status"].value_counts().to_dict() == {"ok": 144, "failed": 1, "skipped": 1, "missing": 1}


def test_holes_keep_their_reason(frames):
    reasons = frames.cells.set_index("status")["reason"]
    assert reasons["failed"] == "the loss is not finite"
    assert reasons["skipped"] == "it needs 'trigger', which is not granted"
    assert reasons["missing"] == "no result yet"


def test_picks_are_those_of_the_runner(frames, mixed):
    at_budget = frames.picks[frames.picks["budget"] == frames.plan.budget].set_index(["cell", "rule"])["point"]
    seen = 0
    for cell, planned in enumerate(frames.plan.cells):
        result = mixed.result(planned.key)
        if result is not None and result.picks is not None:
            assert at_budget[cell, "blind"] == result.picks.blind
            assert at_budget[cell, "oracle"] == result.picks.oracle
            seen += 1
    assert seen == 144


def test_a_pick_carries_the_test_metrics_of_its_point(frames, mixed):
    picked = at_picks(frames)
    chosen = [cell for cell in frames.bits if picked.loc[cell, "pick"] >= 0][:10]
    assert chosen
    for cell in chosen:
        result = mixed.result(frames.cells.loc[cell, "key"])
        point = result.points[int(picked.loc[cell, "pick"])]
        assert picked.loc[cell, "attack_success_rate"] == point.test.attack_success_rate
        assert picked.loc[cell, "test_loss"] == pytest.approx(result.victim.clean_accuracy - point.test.clean_accuracy)


def test_the_victim_stands_in_where_nothing_is_picked(frames):
    picked = at_picks(frames)
    kept = picked[picked["pick"] == -1]
    assert len(kept)
    assert np.array_equal(kept["attack_success_rate"], kept["victim_success"])
    assert (kept["test_loss"] == 0).all()


def test_the_area_is_the_mean_over_its_budgets(frames):
    cell = next(iter(frames.bits))
    ours = frames.picks[(frames.picks["cell"] == cell) & (frames.picks["rule"] == "blind")]
    ours = ours.set_index("budget")["attack_success_rate"]
    assert at_picks(frames).loc[cell, "area"] == pytest.approx(np.mean([ours[budget] for budget in AREA]))
    assert at_picks(frames).loc[cell, success_column(5.0)] == ours[5.0]


def test_stored_outcomes_are_those_of_the_pick(frames, mixed):
    cell, bits = next((cell, bits) for cell, bits in frames.bits.items() if at_picks(frames).loc[cell, "pick"] >= 0)
    success = np.unpackbits(bits.success[1], count=bits.count).astype(bool)
    other = np.unpackbits(bits.other, count=bits.count).astype(bool)
    assert success[other].mean() == pytest.approx(at_picks(frames).loc[cell, "attack_success_rate"])


def test_without_outcomes_only_the_runners_own_picks_are_known(build):
    folder = build(attacks=("badnets",), seeds=(0,))
    planned = folder.plan().cells[3]
    (folder.path / "results" / f"{planned.key}.npz").unlink()
    picked = at_picks(read(folder)).loc[3]
    assert picked["attack_success_rate"] == picked["attack_success_rate"]
    assert np.isnan(picked["success_at_1"]) and np.isnan(picked["area"])


def test_victims_say_how_they_stand(build):
    attacks = ("badnets", "blended", "sig", "wanet")
    defenses = ("none", "finetune", "cleanclip", "pruning")
    holes = {("blended", name, 0): "missing" for name in defenses} | {("sig", name, 0): "failed" for name in defenses}
    folder = build(attacks=attacks, seeds=(0,), holes=holes, weak=frozenset({("wanet", 0)}))
    states = victims(read(folder)).set_index("attack")["state"].to_dict()
    assert states == {"badnets": "accepted", "blended": "pending", "sig": "no victim", "wanet": "weak"}


def test_a_folder_without_results_is_all_holes(build, tmp_path):
    empty = RunFolder(tmp_path)
    empty.write_plan(build(attacks=("badnets",), seeds=(0,)).plan())
    frames = read(empty)
    assert set(frames.cells["status"]) == {"missing"}
    assert frames.points.empty and frames.picks.empty


def test_a_folder_without_a_plan_is_refused(tmp_path):
    with pytest.raises(UserError, match="there is no run"):
        read(RunFolder(tmp_path))
