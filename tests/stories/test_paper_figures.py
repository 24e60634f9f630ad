"""A stranger makes the figures of a paper from a finished run, and finds the run's own numbers behind them."""

import pandas as pd
import pytest
from PIL import Image

from benchmark.agreement import at_pick

NAMES = ("tradeoff", "heatmap", "sensitivity", "tiers")
"""Drawn of every run; others need victims that were accepted, or analyses."""


@pytest.fixture(scope="module")
def figures(finished_micro, call, once):
    """The files that ``clipdefense figures`` names, and the world it ran in."""

    def make(empty):
        world = finished_micro.copied(empty.home)
        finished = call(world, "figures", "micro.toml")
        assert (finished.code, finished.err) == (0, "")
        world.write("said.txt", finished.out)

    world = once("figures", make)
    names = (world.home / "said.txt").read_text().splitlines()
    return world, {path.name: path for path in map(world.home.joinpath, names)}


def test_every_figure_is_there_in_three_forms(figures):
    world, files = figures
    drawn = {path.rpartition(".")[0] for path in files}
    assert drawn >= set(NAMES)
    assert files.keys() == {f"{name}.{kind}" for name in drawn for kind in ("pdf", "png", "csv")}
    assert {path.parent for path in files.values()} == {world.folder().report / "figures"}
    assert all(path.stat().st_size for path in files.values())


def test_fonts_are_embedded(figures):
    for name, path in figures[1].items():
        if path.suffix == ".pdf":
            content = path.read_bytes()
            assert b"/FontFile2" in content and b"/Type3" not in content, name


def test_pictures_are_one_column_wide(figures):
    for name, path in figures[1].items():
        if path.suffix == ".png":
            with Image.open(path) as image:
                assert image.width == round(3.3 * 300), name


def test_the_style_reaches_the_figures(finished_micro, call, monkeypatch):
    asked = []
    monkeypatch.setattr("reports.api.write_figures", lambda folder, style, progress: asked.append(style) or ())
    for option in ((), ("--style", "slides")):
        assert call(finished_micro, "figures", "micro.toml", *option).code == 0
    assert asked == ["paper", "slides"]


def test_the_numbers_behind_the_curves_are_those_of_the_run(figures):
    world, files = figures
    rows = pd.read_csv(files["tradeoff.csv"]).set_index(["attack", "method", "point"])
    poisoned = [r for r in world.found().values() if r.cell.victim == "poisoned" and r.cell.defense != "none"]
    assert len(poisoned) == 6
    for result in poisoned:
        for number, point in enumerate(result.points):
            row = rows.loc[result.cell.attack, result.cell.defense, number]
            assert row["strength"] == point.strength
            assert row["clean_accuracy"] == pytest.approx(point.test.clean_accuracy)
            assert row["attack_success_rate"] == pytest.approx(point.test.attack_success_rate)


def test_the_numbers_behind_the_heat_map_are_the_blind_picks(figures):
    world, files = figures
    rows = pd.read_csv(files["heatmap.csv"], keep_default_na=False).set_index(["attack", "method"])
    poisoned = [result for result in world.found().values() if result.cell.victim == "poisoned"]
    assert len(rows) == len(poisoned) == 8
    for result in poisoned:
        row = rows.loc[result.cell.attack, result.cell.defense]
        assert float(row["attack_success_rate"]) == pytest.approx(at_pick(result).attack_success_rate)
        assert float(row["clean_accuracy"]) == pytest.approx(at_pick(result).clean_accuracy)
