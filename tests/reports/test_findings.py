"""Findings become tidy frames and figures; what was not found is seen in both."""

import numpy as np
import pandas as pd
import pytest

from reports.boards import boards
from reports.drawing import draw_all
from reports.figures.contact import Strip, contact_sheet
from reports.figures.disentanglement import LARGEST
from reports.figures.style import STYLES, attack_colours
from reports.findings import GRIDS, angles, data_budgets, grids, of_study, sketches
from reports.frames import read

ANALYSES = {*GRIDS, "cosines", "data_budget", "contact"}
FEW = {"none": (), "finetune": ("clean_pairs",), "task_vector": ("trigger",)}


@pytest.fixture(scope="module")
def frames(mixed):
    return read(mixed)


def figures(folder, *names):
    """The chosen figures of a folder, drawn and not saved."""
    found = read(folder)
    return {drawn.name: drawn for drawn in draw_all(found, boards(found), "paper", names)}


def texts(figure):
    inside = [text.get_text() for axis in figure.axes for text in (*axis.texts, axis.title)]
    return [*inside, *(text.get_text() for text in figure.texts)]


def test_every_planned_study_is_a_row(frames):
    found = frames.findings
    assert len(found) == len(frames.plan.studies) == 4 * (3 * 5 + 1)
    assert found["status"].value_counts().to_dict() == {"ok": 57, "failed": 3, "missing": 3, "skipped": 1}
    reasons = found.set_index("status")["reason"]
    assert set(reasons["failed"]) == {"it did not work out"} and set(reasons["missing"]) == {"not computed yet"}


def test_a_grid_is_a_row_per_point_and_victim(frames):
    points = grids(frames.findings, "disentanglement")
    assert len(points) == 3 * 3 * 81
    assert set(points["attack"]) == {"badnets", "blended", "wanet"}
    assert np.allclose(points["xi"], points["xi_clean"] + points["xi_trigger"])
    on_axes = points[(points["alpha_clean"] == 0) | (points["alpha_trigger"] == 0)]
    assert (on_axes["xi"] == 0).all()


def test_budgets_stand_beside_their_victim(frames):
    rows = data_budgets(frames.findings)
    assert rows.groupby("method").size().to_dict() == {"finetune": 48, "negation": 48, "victim": 12}
    assert set(rows.loc[rows["method"] == "victim", "pairs"]) == {0}


def test_angles_and_sketches_tell_of_the_victims_that_have_them(frames):
    found = angles(frames.findings)
    assert len(found) == 3 * 3 * 2 * 36
    assert np.allclose(found.loc[found["one"] == found["other"], "cosine"], 1)
    assert len(sketches(frames.findings)) == 3 * 3 * 2


def test_a_run_without_studies_has_none_of_their_figures(build):
    folder = build(attacks=("badnets",), seeds=(0,))
    assert read(folder).findings.empty
    assert not figures(folder, *ANALYSES)


def test_holes_are_seen_in_every_figure(mixed):
    drawn = figures(mixed, *ANALYSES)
    assert {"failed", "sig\nno number"} <= set(texts(drawn["disentanglement"].figure))
    assert texts(drawn["cosines"].figure).count("?") == 5 + 7
    assert {"skipped", "?"} <= set(texts(drawn["contact"].figure))


def test_heat_maps_share_one_scale_and_have_a_contour(mixed):
    drawn = figures(mixed, "disentanglement_victim")["disentanglement_victim"]
    pictures = [axis.images[0] for axis in drawn.figure.axes if axis.images]
    assert len(pictures) == 4
    assert {(picture.norm.vmin, picture.norm.vmax) for picture in pictures} == {(0, LARGEST)}
    assert sum(len(axis.collections) for axis in drawn.figure.axes) >= 4


def test_titles_give_the_mean_and_name_weak_victims(build):
    folder = build(seeds=(0,), analysis=True, weak=frozenset({("wanet", 0)}))
    drawn = figures(folder, "disentanglement")["disentanglement"]
    means = drawn.data.groupby("attack")["xi"].mean()
    within = drawn.data[drawn.data["alpha_clean"].isin([0, 0.5, 1]) & drawn.data["alpha_trigger"].isin([0, 0.5, 1])]
    squares = within.groupby("attack")["xi"].mean()
    assert f"wanet (weak)\nmean {means['wanet']:.2f} ({squares['wanet']:.2f})" in texts(drawn.figure)
    assert f"sig\nmean {means['sig']:.2f} ({squares['sig']:.2f})" in texts(drawn.figure)


def test_cosines_between_attacks_come_from_sketches(mixed):
    data = figures(mixed, "cosines")["cosines"].data
    crossed = data[data["how"] == "sketched"].set_index(["one", "other"])["cosine"]
    assert crossed["badnets", "badnets"] == pytest.approx(1.0)
    assert crossed["badnets", "blended"] == pytest.approx(crossed["blended", "badnets"])
    assert abs(crossed["badnets", "blended"]) < 0.5
    assert np.isnan(crossed["badnets", "sig"])
    exact = data[(data["how"] == "exact") & (data["one"] == "trigger") & (data["other"] == "backdoor")]
    assert (exact["cosine"] > 0.5).all()


def test_capacity_needs_several_models(build):
    one = build(attacks=("badnets",), seeds=(0,), analysis=True, defenses=FEW)
    two = build(attacks=("badnets",), seeds=(0,), models=("small", "large"), analysis=True, defenses=FEW)
    assert not figures(one, "capacity")
    data = figures(two, "capacity")["capacity"].data
    assert data.groupby("model")["vision_parameters_x"].first().to_dict() == {"small": 40_000, "large": 160_000}
    assert set(data["defense"]) == {"none", "task_vector"}


def test_a_contact_sheet_takes_pictures_of_any_origin():
    clean = np.full((8, 8, 3), 100, dtype=np.uint8)
    strips = [
        Strip(label="one", clean=(clean,), triggered=(clean + 1,)),
        Strip(label="none", hole="failed"),
        Strip(label="same", clean=(clean,), triggered=(clean,)),
    ]
    figure, data = contact_sheet(strips, STYLES["paper"])
    assert {"one", "48.1", "failed"} <= set(texts(figure))
    assert data.set_index("attack").loc["one", "largest_change"] == 1
    assert data.set_index("attack").loc["same", "largest_change"] == 0
    difference = figure.axes[2].images[0].get_array()
    assert (np.asarray(difference) == 5).all()


def test_attacks_have_colours_of_their_own_until_they_run_out():
    names = [f"attack_{place}" for place in range(8)]
    assert len(set(attack_colours(names).values())) == 8
    assert attack_colours(names) == attack_colours(reversed(names))
    assert attack_colours([*names, "one_more"]) == {}


def test_strengths_are_told_per_attack_or_as_means(build):
    few = figures(build(seeds=(0,)), "sensitivity")["sensitivity"].figure
    labels = {text.get_text() for text in few.legends[0].get_texts()}
    assert labels == {"badnets", "blended", "sig", "wanet", "attack success", "clean accuracy"}
    solid = [line for line in few.axes[0].lines if line.get_linestyle() == "-"]
    assert len(solid) == len(few.axes[0].lines) / 2 == 4
    many = figures(build(attacks=tuple(f"a{n}" for n in range(9)), seeds=(0,)), "sensitivity")["sensitivity"].figure
    assert any("thin: single attacks" in text.get_text() for text in many.legends[0].get_texts())


def test_findings_of_other_studies_are_left_alone(frames):
    assert of_study(pd.concat([frames.findings.assign(kind="detection")]), "vectors").empty
