"""Figures exist, show something, fit a column, and look the same for a defense everywhere."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from benchmark.errors import UserError
from reports.api import write_figures
from reports.boards import boards
from reports.curves import curves, pareto
from reports.drawing import FIGURES, draw_all, draw_summary
from reports.figures.saving import save
from reports.figures.style import GREY, Marks
from reports.frames import read

KINDS = ("png", "pdf", "csv")


def edge(path):
    """Whether the outermost pixels are dark."""
    with Image.open(path) as image:
        ink = np.asarray(image.convert("L")) < 128
    return np.concatenate([ink[0], ink[-1], ink[:, 0], ink[:, -1]])


@pytest.fixture(scope="module")
def lonely(build):
    """Figures of three attacks, which fill one row of panels."""
    defenses = {"none": (), "finetune": ("clean_pairs",), "task_vector": ("trigger",)}
    folder = build(attacks=("badnets", "blended", "sig"), defenses=defenses, seeds=(0,), analysis=True)
    return {path.name: path for path in write_figures(folder)}


@pytest.fixture(scope="module")
def drawn(mixed):
    return {path.name: path for path in write_figures(mixed)}


def test_every_figure_is_there_as_picture_document_and_numbers(drawn, mixed):
    assert set(drawn) == {f"{name}.{kind}" for name in FIGURES for kind in KINDS}
    assert all(path.parent == mixed.report / "figures" for path in drawn.values())


@pytest.mark.parametrize("name", FIGURES)
def test_pictures_are_one_column_wide_and_not_empty(drawn, name):
    with Image.open(drawn[f"{name}.png"]) as image:
        assert image.width == round(3.3 * 300)
        pixels = np.asarray(image.convert("RGB"))
    ink = (pixels < 250).any(axis=2)
    assert ink.mean() > 0.03
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_touches_the_edge_of_the_paper(drawn, name):
    assert not edge(drawn[f"{name}.png"]).any()


@pytest.mark.parametrize("name", [name for name in FIGURES if name.startswith("disentanglement")])
def test_a_long_label_beside_a_single_row_stays_on_the_paper(lonely, name):
    assert not edge(lonely[f"{name}.png"]).any()


@pytest.mark.parametrize("name", FIGURES)
def test_fonts_are_embedded_as_outlines(drawn, name):
    content = drawn[f"{name}.pdf"].read_bytes()
    assert b"/FontFile2" in content and b"/Type3" not in content


@pytest.mark.parametrize("name", FIGURES)
def test_the_numbers_behind_a_figure_are_there(drawn, name):
    assert len(pd.read_csv(drawn[f"{name}.csv"])) > 5


def test_the_same_numbers_give_the_same_files(mixed, drawn, tmp_path):
    frames = read(mixed)
    again = [
        path for figure in draw_all(frames, boards(frames), "paper", only={"tiers"}) for path in save(figure, tmp_path)
    ]
    assert {path.suffix for path in again} == {".png", ".pdf", ".csv"}
    for path in again:
        assert path.read_bytes() == drawn[path.name].read_bytes()


def test_slides_are_wider(build):
    folder = build(attacks=("badnets",), seeds=(0,))
    picture = next(path for path in write_figures(folder, style="slides") if path.name == "tradeoff.png")
    with Image.open(picture) as image:
        assert image.width == 12 * 120


def test_an_unknown_style_is_refused_with_a_suggestion(mixed):
    with pytest.raises(UserError, match="did you mean 'paper'"):
        write_figures(mixed, style="papper")


def test_several_models_have_figures_of_their_own_and_one_summary(build):
    folder = build(models=("a", "b/c"), attacks=("badnets",), seeds=(0,))
    frames = read(folder)
    found = boards(frames)
    names = [figure.name for figure in draw_all(frames, found, "paper")]
    assert "tradeoff-a-shapes" in names and "tradeoff-b_c-shapes" in names
    assert [figure.name for figure in draw_summary(frames, found)] == ["tradeoff", "heatmap"]


def test_figures_of_a_run_without_results_do_not_fail(build, tmp_path):
    from benchmark.runs import RunFolder

    empty = RunFolder(tmp_path)
    empty.write_plan(build(attacks=("badnets",), seeds=(0,)).plan())
    assert {path.name for path in write_figures(empty)} >= {"heatmap.pdf"}


def test_a_defense_looks_the_same_whatever_else_is_drawn():
    names = [f"defense_{place:02d}" for place in range(40)]
    marks = Marks(["none", *names])
    again = Marks([*reversed(names), "none"])
    assert all(marks.of(name) == again.of(name) for name in names)
    assert len({(marks.of(name).colour, marks.of(name).marker) for name in names}) == 40
    assert marks.of("none").colour == GREY
    assert GREY not in {marks.of(name).colour for name in names}


def test_an_inverted_trigger_keeps_colour_and_marker_and_is_told_apart():
    marks = Marks(["a", "b"], ["given", "decree", "none"])
    given, inverted = marks.of("b", "given"), marks.of("b", "decree")
    assert (given.colour, given.marker) == (inverted.colour, inverted.marker)
    assert given.line != inverted.line and given.edge != inverted.edge


def test_colours_differ_for_the_colour_blind():
    """Simulated deuteranopia (doi:10.1109/TVCG.2009.113) keeps the first seven colours apart."""
    simulate = np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]])
    marks = Marks([f"d{place}" for place in range(7)])
    colours = [[int(marks.of(f"d{p}").colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for p in range(7)]
    seen = np.clip(np.array(colours) ** 2.2 @ simulate.T, 0, 1) ** (1 / 2.2)
    distances = np.linalg.norm(seen[:, None] - seen[None], axis=2) + np.eye(7)
    assert distances.min() > 0.12


def test_pareto_keeps_what_no_other_point_beats():
    accuracy, success = np.array([0.7, 0.72, 0.71, 0.60, 0.72]), np.array([0.2, 0.9, 0.3, 0.3, 0.8])
    assert pareto(accuracy, success).tolist() == [True, False, True, False, True]
    assert pareto(np.zeros(0), np.zeros(0)).tolist() == []


def test_a_curve_never_changes_the_seeds_it_is_over(build):
    folder = build(attacks=("badnets",), holes={("badnets", "finetune", 1): "failed"})
    found = curves(read(folder))
    assert set(found.loc[found["method"] == "finetune", "seeds"]) == {2}
    assert set(found.loc[found["method"] == "cleanclip", "seeds"]) == {3}
    assert found.loc[found["point"] == -1, "strength"].eq(0).all()


def test_states_of_the_heat_map_are_named_in_its_legend(mixed, build):
    holes = {("badnets", "finetune", 0): "failed", ("blended", "cleanclip", 0): "skipped"}
    holes |= {("sig", "pruning", 0): "missing", ("sig", "finetune", 0): "left out"}
    folder = build(seeds=(0,), holes=holes, weak=frozenset({("wanet", 0)}))
    for source, expected in (
        (folder, {"F: failed", "S: skipped", "?: missing", "(n): weak victim", "-: left out by the matrix"}),
        (mixed, {"some seeds missing"}),
    ):
        frames = read(source)
        figure = next(d.figure for d in draw_summary(frames, boards(frames)) if d.name == "heatmap")
        assert {text.get_text() for text in figure.legends[0].get_texts()} == expected


def test_a_heat_map_of_many_attacks_is_as_wide_as_its_numbers(build):
    frames = read(build(attacks=tuple(f"attack_{number:02d}" for number in range(21)), seeds=(0,), benign=False))
    figure = next(d.figure for d in draw_summary(frames, boards(frames)) if d.name == "heatmap")
    axis = figure.axes[0]
    renderer = FigureCanvasAgg(figure).get_renderer()
    widest = max(text.get_window_extent(renderer).width for text in axis.texts if re.fullmatch(r"\d+", text.get_text()))
    assert widest <= axis.get_window_extent().width / 21


def test_panels_name_their_attack_and_weak_victims(mixed, build):
    frames = read(build(seeds=(0,), weak=frozenset({("wanet", 0)})))
    figure = next(draw_summary(frames, boards(frames))).figure
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["badnets", "blended", "sig", "wanet (weak victim)"]
    assert all(len(axis.lines) + len(axis.artists) + len(axis.get_children()) > 10 for axis in figure.axes)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert not [label for label in labels if re.fullmatch("none", label)]
