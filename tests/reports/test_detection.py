"""Boards of detectors: means, intervals and holes, from findings that were made up."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats

from benchmark.findings import Finding, StudyId
from benchmark.runs import PlannedStudy
from benchmark.seeds import derive
from benchmark.separation import packed, separation
from reports.api import write_report
from reports.detection import detection_boards, detection_frame, detections
from reports.detection_scores import _auroc
from reports.drawing import draw_detection
from reports.figures.saving import save
from reports.frames import read
from reports.tables.detection import markdown, plain

NEEDS = {
    "dao": ["training_pairs"],
    "judge": ["reference_model", "training_pairs"],
    "omega": [],
    "norm": ["clean_images"],
}
SCORED = {"dao": "pairs", "judge": "pairs", "omega": "images", "norm": "model"}
SHIFT = {"dao": 1.0, "judge": -1.0, "omega": 2.0}
KEPT = 200


def finding_of(study, status="ok", reason="", shift=None, scores=True):
    key = f"{derive(study.text):016x}"
    bare = Finding(
        key=key,
        study=study,
        status=status,
        reason=reason,
        resolved={"scored": SCORED[study.name], "needs": NEEDS[study.name]},
    )
    if status != "ok":
        return bare
    draws = np.random.default_rng(derive("finding", study.text))
    if study.name == "norm":
        return bare.model_copy(
            update={"values": {"score": draws.normal(3.0 * (study.victim == "poisoned")), "seconds": 9}}
        )
    centre = (SHIFT[study.name] if shift is None else shift) if study.victim == "poisoned" else 0.0
    found, others = draws.normal(centre, 1, KEPT // 10), draws.normal(0, 1, KEPT)
    values = {
        **separation(found, others),
        **{"samples": len(found) + len(others), "positives": len(found), "base_rate": 1 / 11, "seconds": 2.0},
        "scores": {"suspicious": packed(found), "others": packed(others)} if scores else {},
    }
    if study.name == "omega":
        values |= {"threshold": 1.6, "true_positive_rate": 0.7, "false_positive_rate": 0.04}
    return bare.model_copy(update={"values": values})


@pytest.fixture(scope="module")
def detected(build):
    """A function from seeds, weak victims and holes (detector, attack, seed) -> status to a folder with findings."""

    def made(seeds=(0, 1, 2), weak=frozenset(), holes=None, attacks=("badnets", "blended"), scores=True):
        folder = build(attacks=attacks, seeds=seeds, weak=weak)
        plan, planned = folder.plan(), []
        place = {"kind": "detection", "model": "tiny-resnet", "dataset": "shapes"}
        victims = [(a, s, "poisoned") for a in attacks for s in seeds]
        for name in SCORED:
            extra = len(victims) if name == "norm" else len(seeds) if name == "omega" else 0
            for attack, seed, victim in [*victims, *((attacks[0], s, "benign") for s in range(extra))]:
                study = StudyId(name=name, attack=attack, seed=seed, victim=victim, **place)
                finding = finding_of(study, scores=scores)
                status = (holes or {}).get((name, attack, seed)) if victim == "poisoned" else None
                if status in ("failed", "skipped"):
                    finding = finding_of(study, status, f"it was {status}")
                planned.append(PlannedStudy(study=study, keys={"detection": finding.key}))
                if status != "missing":
                    folder.findings.write(finding)
        folder.write_plan(plan.model_copy(update={"studies": tuple(planned)}))
        return folder

    return made


@pytest.fixture(scope="module")
def whole(detected):
    return detected()


def board_of(folder):
    (board,) = detection_boards(detections(folder), read(folder))
    return board


def rows_of(folder):
    return board_of(folder).rows.set_index("detector")


def test_every_study_is_a_row(whole):
    found = detections(whole)
    assert len(found) == 6 * 4 + 3 + 6
    assert set(found["status"]) == {"ok"}
    one = found[(found["detector"] == "dao") & (found["attack"] == "badnets") & (found["seed"] == 0)].iloc[0]
    assert one["auroc"] == pytest.approx(separation(one["suspicious"], one["others"])["auroc"], abs=1e-6)
    assert found.groupby("detector")["scored"].first().to_dict() == SCORED
    assert found.groupby("detector")["knowledge"].first().to_dict() == {
        "dao": "training pairs",
        "judge": "clean ancestor + training pairs",
        "omega": "nothing",
        "norm": "clean pairs",
    }


def test_headlines_are_means_over_attacks_and_seeds(whole):
    rows, found = rows_of(whole), detections(whole)
    poisoned = found[found["victim"] == "poisoned"]
    for name in ("dao", "judge", "omega"):
        for metric in ("auroc", "auprc", "fpr_at_95_tpr"):
            expected = poisoned[poisoned["detector"] == name].groupby("attack")[metric].mean().mean()
            assert rows.loc[name, metric] == pytest.approx(expected)
    assert list(rows.index) == ["dao", "judge", "omega", "norm"]
    assert rows.loc["omega", "control"] == pytest.approx(0.5, abs=0.15)
    assert (rows["studies_ok"] == rows["studies"]).all()


def test_several_seeds_have_a_t_interval(whole):
    found = detections(whole)
    dao = found[found["detector"] == "dao"].pivot(index="seed", columns="attack", values="auroc").mean(axis=1)
    low, high = stats.t.interval(0.95, 2, dao.mean(), stats.sem(dao))
    row = rows_of(whole).loc["dao"]
    assert row["interval"] == "t"
    assert (row["auroc_low"], row["auroc_high"]) == pytest.approx((max(low, 0), min(high, 1)), rel=1e-6)


def test_one_seed_has_a_bootstrap_over_samples(detected):
    row = rows_of(detected(seeds=(0,))).loc["dao"]
    assert row["interval"] == "samples"
    assert row["auroc_low"] < row["auroc"] < row["auroc_high"]
    assert 0.05 < row["auroc_high"] - row["auroc_low"] < 0.3
    assert rows_of(detected(seeds=(0,), scores=False)).loc["dao", "interval"] == "none"


def test_models_are_told_from_all_benign_ones(whole):
    found = detections(whole)
    norm = found[found["detector"] == "norm"]
    poisoned, benign = (norm.loc[norm["victim"] == kind, "score"].to_numpy() for kind in ("poisoned", "benign"))
    row = rows_of(whole).loc["norm"]
    assert len(poisoned) == len(benign) == 6
    assert row["auroc"] == pytest.approx(separation(poisoned, benign)["auroc"])
    assert row["interval"] == "models" and row["auroc_low"] <= row["auroc"] <= row["auroc_high"]
    assert (row["studies"], row["base_rate"]) == (12, 0.5)


def test_ranks_give_the_area_under_the_curve():
    draws = np.random.default_rng(0)
    found, others = draws.integers(0, 4, (3, 7)).astype(float), draws.integers(0, 4, (3, 11)).astype(float)
    expected = [separation(one, other)["auroc"] for one, other in zip(found, others, strict=True)]
    np.testing.assert_allclose(_auroc(found, others), expected)


@pytest.mark.parametrize("status", ["failed", "skipped", "missing"])
def test_a_hole_is_shown_and_never_averaged_away(detected, status):
    folder = detected(holes={("dao", "blended", 1): status, ("norm", "badnets", 0): status})
    board = board_of(folder)
    rows = board.rows.set_index("detector")
    assert rows.loc[["dao", "norm"], ["auroc", "auroc_low"]].isna().all(axis=None)
    assert rows.loc["judge", "auroc"] == rows.loc["judge", "auroc"]
    assert (rows.loc["dao", "studies_ok"], rows.loc["dao", "studies"]) == (5, 6)
    states = board.by_attack.set_index(["detector", "attack"])["state"]
    assert (states["dao", "blended"], states["dao", "badnets"], states["norm", "badnets"]) == (
        "partial",
        "ok",
        "partial",
    )
    tail = "." if status == "missing" else f": it was {status}."
    assert f"Hole: dao, {status} (blended seed 1){tail}" in board.notes
    text = plain((board,))
    assert "5/6" in text and f"Hole: norm, {status} (badnets seed 0){tail}" in text


def test_a_detector_of_which_nothing_is_known_is_a_row(detected):
    holes = {("dao", attack, seed): "missing" for attack in ("badnets", "blended") for seed in (0, 1, 2)}
    board = board_of(detected(holes=holes))
    assert board.rows["detector"].tolist()[-1] == "dao"
    assert board.rows.set_index("detector").loc["dao", "scored"] == ""
    assert "what is not known yet" in plain((board,))


def test_weak_victims_are_shown_and_not_averaged(detected):
    weak = frozenset(("blended", seed) for seed in (0, 1, 2))
    folder = detected(weak=weak)
    board, found = board_of(folder), detections(folder)
    dao = found[(found["detector"] == "dao") & (found["attack"] == "badnets")]
    rows = board.rows.set_index("detector")
    assert rows.loc["dao", "auroc"] == pytest.approx(dao["auroc"].mean())
    assert (rows.loc["norm", "victims"], rows.loc["norm", "studies"]) == (3, 9)
    assert "Not in the means, because victims are weak: blended." in board.notes
    shown = board.by_attack.set_index(["detector", "attack"])
    assert shown.loc[("dao", "blended"), "state"] == "weak"
    assert f"({100 * shown.loc[('dao', 'blended'), 'auroc']:.1f})" in plain((board,))


def test_only_weak_victims_leave_the_means_empty(detected):
    weak = frozenset((attack, 0) for attack in ("badnets", "blended"))
    board = board_of(detected(seeds=(0,), weak=weak))
    assert board.rows["auroc"].isna().all() and board.by_attack["auroc"].notna().all()


def test_every_table_has_the_numbers(whole):
    report = write_report(whole)
    files = {path.name: path for path in report.files}
    row = rows_of(whole).loc["dao"]
    shown = f"{100 * row['auroc']:.1f} [{100 * row['auroc_low']:.1f}, {100 * row['auroc_high']:.1f}]"
    assert shown in report.text
    written = files["leaderboard.md"].read_text()
    assert shown.replace("[", "\\[").replace("]", "\\]") in written
    for title in ("Of training pairs", "Of images at test time", "Of whole models", "AUROC by attack"):
        assert title in report.text and f"### {title}" in written
    assert max(map(len, report.text.splitlines())) <= 120
    table = pd.read_csv(files["detection.csv"])
    assert len(table) == 4 * 3
    one = table[(table["detector"] == "dao") & (table["attack"] == "all")].iloc[0]
    assert one["auroc"] == pytest.approx(row["auroc"])
    assert len(report.files) == len(set(report.files))


def test_a_run_without_detectors_has_no_board(mixed):
    assert detections(mixed).empty
    assert detection_boards(detections(mixed), read(mixed)) == ()
    assert plain(()) == markdown(()) == "" and detection_frame(()).empty


def drawn(folder, style, place):
    (figure,) = draw_detection(detection_boards(detections(folder), read(folder)), style)
    return {path.suffix: path for path in save(figure, place)}


def test_the_figure_is_a_column_wide_and_says_something(whole, tmp_path):
    files = drawn(whole, "paper", tmp_path)
    with Image.open(files[".png"]) as image:
        assert image.width == round(3.3 * 300)
        pixels = np.asarray(image.convert("L"))
    assert (pixels[[0, -1]] > 128).all() and (pixels[:, [0, -1]] > 128).all()
    assert (pixels < 250).mean() > 0.03
    assert len(pd.read_csv(files[".csv"])) == 12


def test_the_figure_shows_holes_and_weak_victims(detected, tmp_path):
    holes = {("dao", "badnets", 1): "failed", **{("judge", "badnets", seed): "skipped" for seed in (0, 1, 2)}}
    folder = detected(holes=holes, weak=frozenset(("blended", seed) for seed in (0, 1, 2)))
    (figure,) = draw_detection(detection_boards(detections(folder), read(folder)), "slides")
    assert {text.get_text() for text in figure.figure.legends[0].get_texts()} == {
        "S: skipped",
        "(n): weak victim",
        "some seeds missing",
    }
    assert drawn(folder, "slides", tmp_path)[".png"].stat().st_size
