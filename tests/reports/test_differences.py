"""Two runs side by side: what is new, gone and changed, and which change the test images alone could explain."""

import shutil

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.contingency_tables import mcnemar

from benchmark.agreement import at_pick
from benchmark.runs import RunFolder
from reports.differences import compare_runs, paired_interval, unpaired_interval
from reports.tables.differences import render

CLEAN = ("clean_pairs",)
DEFENSES = {"none": (), "finetune": CLEAN, "cleanclip": CLEAN}
SMALL = {
    "attacks": ("badnets", "sig"),
    "seeds": (0,),
    "benign": False,
    "images": 400,
    "harm": {"finetune": 0.0, "cleanclip": 0.0},
}


@pytest.fixture(scope="module")
def weak(build):
    return build(**SMALL, defenses=DEFENSES, strong={"finetune": 0.5, "cleanclip": 2.0})


@pytest.fixture(scope="module")
def strong(build):
    """The same run with a stronger fine-tuning."""
    return build(**SMALL, defenses=DEFENSES, strong={"finetune": 6.0, "cleanclip": 2.0})


def texts(differences, change):
    return set(differences.table.loc[differences.table["change"] == change, "cell"])


def test_a_run_does_not_differ_from_itself(weak, build):
    found = compare_runs(weak, build(**SMALL, defenses=DEFENSES, strong={"finetune": 0.5, "cleanclip": 2.0}))
    assert found.summary == "8 cells: 0 new, 0 gone, 0 changed (0 beyond noise), 8 the same"
    assert found.table.empty and render(found) == found.summary


def test_a_stronger_defense_changes_its_own_cells(weak, strong):
    found = compare_runs(weak, strong)
    assert found.summary == "8 cells: 0 new, 0 gone, 2 changed (2 beyond noise), 6 the same"
    assert texts(found, "changed") == {f"tiny-resnet / shapes / {a} / finetune / seed 0" for a in ("badnets", "sig")}
    for row in found.table.to_dict("records"):
        planned = next(planned for planned in weak.plan().cells if planned.cell.text == row["cell"])
        before, after = (at_pick(run.result(planned.key)) for run in (weak, strong))
        assert (row["success_before"], row["success_after"]) == (before.attack_success_rate, after.attack_success_rate)
        assert row["success_difference"] == pytest.approx(after.attack_success_rate - before.attack_success_rate)
        assert row["clean_difference"] == pytest.approx(after.clean_accuracy - before.clean_accuracy)
        assert row["success_low"] <= row["success_difference"] <= row["success_high"] < 0
        assert row["interval"] == "paired" and row["success_beyond"]


def test_the_way_back_is_the_same_with_the_sign_turned(weak, strong):
    there, back = (compare_runs(*runs).table.set_index("cell") for runs in ((weak, strong), (strong, weak)))
    for name in ("success", "clean"):
        np.testing.assert_allclose(there[f"{name}_difference"], -back.loc[there.index, f"{name}_difference"])
        np.testing.assert_allclose(there[f"{name}_low"], -back.loc[there.index, f"{name}_high"])
        assert there[f"{name}_beyond"].equals(back.loc[there.index, f"{name}_beyond"])


def test_cells_are_new_or_gone(weak, build):
    more = build(
        **SMALL, defenses=DEFENSES | {"sau": CLEAN}, strong={"finetune": 0.5, "cleanclip": 2.0},
        holes={("sig", "finetune", 0): "missing"},
    )  # fmt: skip
    found = compare_runs(weak, more)
    assert found.summary == "10 cells: 2 new, 1 gone, 0 changed (0 beyond noise), 7 the same"
    assert texts(found, "new") == {f"tiny-resnet / shapes / {a} / sau / seed 0" for a in ("badnets", "sig")}
    assert texts(found, "gone") == {"tiny-resnet / shapes / sig / finetune / seed 0"}
    assert found.table[["success_difference", "success_low"]].isna().all(axis=None)


def test_a_failure_is_a_change_without_a_number(weak, build):
    broken = build(
        **SMALL, defenses=DEFENSES, strong={"finetune": 0.5, "cleanclip": 2.0},
        holes={("sig", "finetune", 0): "failed"},
    )  # fmt: skip
    found = compare_runs(weak, broken)
    assert found.summary == "8 cells: 0 new, 0 gone, 1 changed (0 beyond noise), 7 the same"
    assert "-> failed" in render(found)


def test_other_images_are_not_paired(weak, build):
    other = build(**SMALL | {"images": 300}, defenses=DEFENSES, strong={"finetune": 6.0, "cleanclip": 2.0})
    found = compare_runs(weak, other).table
    assert set(found["interval"]) == {"unpaired"}
    finetune = found[found["defense"] == "finetune"]
    assert finetune["success_beyond"].all()
    assert "~" in render(compare_runs(weak, other))


def test_another_target_is_not_paired(weak, strong, tmp_path):
    shutil.copytree(strong.path, tmp_path / "other")
    other = RunFolder(tmp_path / "other")
    for planned in other.plan().cells:
        outcomes = other.outcomes(planned.key)
        outcomes.test_other = ~outcomes.test_other
        other.write(other.result(planned.key), outcomes)
    assert set(compare_runs(weak, other).table["interval"]) == {"unpaired"}


def test_the_table_says_summary_first_then_what_is_beyond_noise(weak, strong):
    found = compare_runs(weak, strong)
    lines = render(found).splitlines()
    assert lines[0] == found.summary
    assert sum(line.startswith("changed") for line in lines) == 2
    assert all("success" in line.split("]")[-1] for line in lines if line.startswith("changed"))


def test_few_images_that_change_sides_are_noise():
    before, after = np.zeros(1000, dtype=bool), np.zeros(1000, dtype=bool)
    after[:5] = True
    low, high = paired_interval(before, after)
    assert low <= 0 < after.mean() <= high
    after[:6] = True
    assert paired_interval(before, after)[0] > 0
    assert paired_interval(before, before) == (0.0, 0.0)


@pytest.mark.parametrize("seed", range(40))
def test_a_paired_interval_leaves_out_zero_where_the_exact_test_rejects(seed):
    generator = np.random.default_rng(seed)
    before = generator.random(300) < 0.5
    after = np.where(generator.random(300) < 0.1, generator.random(300) < 0.3 + 0.01 * seed, before)
    cross = pd.crosstab(before, after).to_numpy()
    low, high = paired_interval(before, after)
    assert low <= after.mean() - before.mean() <= high
    assert (low > 0 or high < 0) == (mcnemar(cross, exact=True).pvalue < 0.05)


def test_an_unpaired_interval_follows_the_number_of_images():
    low, high = unpaired_interval(0.5, 100, 0.6, 100)
    narrow_low, narrow_high = unpaired_interval(0.5, 1000, 0.6, 1000)
    assert low < 0 < narrow_low < 0.1 < narrow_high < high
    assert np.isnan(unpaired_interval(0.5, 0, 0.6, 10)).all()


def test_from_the_command_line(micro, clipdefense):
    same = clipdefense("diff", "micro", "runs/micro")
    assert (same.code, same.out) == (0, "14 cells: 0 new, 0 gone, 0 changed (0 beyond noise), 14 the same\n")
    micro.matrix("fewer", 'attacks = ["badnets"]')
    clipdefense("run", "fewer.toml")
    found = clipdefense("diff", "micro.toml", "fewer.toml", "--csv", "deep/diff.csv")
    assert found.out.splitlines()[0] == "14 cells: 0 new, 5 gone, 0 changed (0 beyond noise), 9 the same"
    rows = pd.read_csv(micro.home / "deep" / "diff.csv", keep_default_na=False)
    assert len(rows) == 5 and set(rows["change"]) == {"gone"} and set(rows["attack"]) == {"blended"}
