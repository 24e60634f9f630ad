"""Cells that are computed again agree: bit for bit here, within a tolerance elsewhere, not where they were changed."""

import numpy as np
import pytest

from benchmark.agreement import TOLERANCE, differences, tolerance
from benchmark.cells import Computed
from benchmark.matrix import load_matrix
from benchmark.planning import make_jobs
from benchmark.registry import Registry
from benchmark.results import Outcomes
from benchmark.verifying import draw, judge

CELL = "tiny-resnet / shapes / blended / finetune / seed 0"


@pytest.fixture
def stored(finished_micro):
    """A result and its outcomes."""
    result = finished_micro.found()[CELL]
    return result, finished_micro.folder().outcomes(result.key)


def elsewhere(result, device="another", **packages):
    origin = result.provenance
    packages = origin.packages | packages
    return result.model_copy(update={"provenance": origin.model_copy(update={"device": device, "packages": packages})})


def moved(result, by, name="attack_success_rate"):
    point = result.points[0]
    test = point.test.model_copy(update={name: getattr(point.test, name) + by})
    return result.model_copy(update={"points": (point.model_copy(update={"test": test}),)})


def store_of(world):
    return {path: path.stat().st_mtime_ns for path in world.store.rglob("*") if path.is_file()}


def test_a_finished_run_verifies_from_scratch(finished_micro, call):
    before = store_of(finished_micro)
    finished = call(finished_micro, "verify", "micro.toml", "--cells", "2", "--seed", "1")
    *lines, last = finished.out.splitlines()
    assert finished.code == 0, finished.err
    assert len(lines) == 2 and all(line.startswith("equal ") for line in lines)
    assert "trained: pretrained" in lines[0]
    assert last == "2 of 2 cells agree, computed again with every model trained anew"
    assert store_of(finished_micro) == before


def test_with_kept_models_defenses_alone_run_again(finished_micro, call):
    finished = call(finished_micro, "verify", "micro.toml", "--cells", "4", "--keep-models")
    *lines, last = finished.out.splitlines()
    assert last == "4 of 4 cells agree, computed again with the store's trained models"
    texts = {line.removeprefix("equal").strip().partition(":")[0] for line in lines}
    assert len(texts) == 4 and texts <= set(finished_micro.found()), finished.out
    assert "trained" not in "".join(lines)


@pytest.fixture
def drawn(finished_micro, monkeypatch):
    """Texts of the cells that a seed draws from the micro matrix."""
    monkeypatch.chdir(finished_micro.home)
    jobs = make_jobs(load_matrix("micro.toml"), Registry())
    return lambda seed, count: [job.cell.text for job in draw(finished_micro.folder(), jobs, count, seed).jobs]


def test_cells_are_drawn_by_the_seed(drawn):
    assert drawn(3, 2) == drawn(3, 2)
    assert len({tuple(drawn(seed, 2)) for seed in range(9)}) > 1
    assert len(set(drawn(0, 99))) == len(drawn(0, 99)) == 14
    assert {text for seed in range(99) for text in drawn(seed, 1)} == set(drawn(0, 99))


def test_a_number_that_was_touched_is_found(micro, clipdefense, drawn, monkeypatch):
    seed = next(seed for seed in range(99) if drawn(seed, 1) == [CELL])
    monkeypatch.chdir(micro.home)
    folder = micro.folder()
    result = micro.found()[CELL]
    folder.write(moved(result, -0.01, "clean_accuracy"), None)
    finished = clipdefense("verify", "micro.toml", "--cells", "1", "--seed", str(seed), "--keep-models")
    assert finished.code == 1
    assert finished.err.startswith("1 of 1 cells differ, computed again with the store's trained models")
    (line,) = [line for line in finished.out.splitlines() if line.startswith("differs")]
    assert CELL in line and "0.0100 apart at worst (clean_accuracy (test) at " in line
    assert "same device and packages, so nothing may differ" in line


def test_cells_of_other_settings_cannot_be_verified(micro, clipdefense):
    micro.matrix("micro", "sizes = { test = 50 }")
    finished = clipdefense("verify", "micro.toml")
    assert finished.code == 2
    assert "no cell in 'runs/micro' can be verified: all of them were computed by other code" in finished.err


def test_the_same_numbers_elsewhere_are_equal(stored):
    result, outcomes = stored
    verdict = judge(elsewhere(result), outcomes, Computed(result=result, outcomes=outcomes))
    assert verdict.agrees and verdict.line.startswith("equal ")


def test_close_numbers_agree_elsewhere_and_nowhere_else(stored):
    result, outcomes = stored
    again = Computed(result=moved(result, 0.05), outcomes=outcomes)
    assert not judge(result, outcomes, again).agrees
    for there, why in ((elsewhere(result), "device another then"), (elsewhere(result, torch="1.0"), "torch 1.0 then")):
        verdict = judge(there, outcomes, again)
        assert verdict.agrees and verdict.line.startswith("close ")
        assert "0.0500 apart at worst (attack_success_rate (test) at " in verdict.line and why in verdict.line


def test_far_numbers_differ_everywhere(stored):
    result, outcomes = stored
    verdict = judge(elsewhere(result), outcomes, Computed(result=moved(result, -0.3), outcomes=outcomes))
    assert not verdict.agrees and verdict.line.startswith("differs ")


def test_other_bits_behind_equal_rates_differ(stored):
    result, outcomes = stored
    test = outcomes.test[..., ::-1].copy()
    swapped = Outcomes(
        validation=outcomes.validation,
        test=test,
        validation_other=outcomes.validation_other,
        test_other=outcomes.test_other,
    )
    assert not np.array_equal(test, outcomes.test)
    assert not judge(result, outcomes, Computed(result=result, outcomes=swapped)).agrees


def test_other_strengths_differ(stored):
    result, outcomes = stored
    longer = result.model_copy(update={"points": (*result.points, result.points[0])})
    assert (
        "strengths [1.0] then and [1.0, 1.0] now"
        in judge(elsewhere(result), outcomes, Computed(result=longer, outcomes=outcomes)).line
    )


def test_a_pick_that_moved_counts_by_what_it_changes(stored):
    result, _ = stored
    picks = result.picks.model_copy(update={"blind": -1 - result.picks.blind})
    found = {d.name: d.size for d in differences(result, result.model_copy(update={"picks": picks}))}
    gap = abs(result.victim.attack_success_rate - result.points[0].test.attack_success_rate)
    assert found["attack_success_rate (test) at the blind pick"] == pytest.approx(gap)
    assert sum(size > 0 for size in found.values()) <= 4


def test_the_tolerance_follows_the_number_of_images():
    assert tolerance(2000) == tolerance(1125) == TOLERANCE == 0.02
    assert tolerance(100) == pytest.approx(3 * (0.05 / 100) ** 0.5)
    assert tolerance(0) > tolerance(10) > tolerance(1000) > TOLERANCE
