"""Pictures of all triggers, and the documentation that plugins write of themselves."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.catalogue import catalogue
from benchmark.facts import facts
from benchmark.gallery import gallery
from benchmark.matrix import load_matrix
from benchmark.progress import Silent
from benchmark.registry import Registry
from benchmark.store import Store
from benchmark.types import NEEDS

ROOT = Path(__file__).parents[2]
PLUGINS = [(kind, name) for kind in ("attack", "defense", "inverter", "detector") for name in Registry().entries(kind)]


@pytest.fixture(scope="module")
def rows(finished_micro, tmp_path_factory):
    """Every trigger with the parameters of the micro matrix, on its own clean model."""
    matrix, world = str(finished_micro.home / "micro.toml"), finished_micro.copied(tmp_path_factory.mktemp("gallery"))
    return gallery(matrix, "tiny-resnet", "", Registry(), Store(world.store), "cpu", Silent())


def test_the_gallery_shows_every_attack_and_every_route(rows):
    names = [row.name for row in rows]
    assert {name.split()[0] for name in names} == set(Registry().entries("attack"))
    assert [name for name in names if name.startswith("multi")] == [f"multi_trigger {route}" for route in (1, 2, 3)]


def test_every_trigger_of_the_gallery_changes_its_image(rows):
    for row in rows:
        assert row.clean.shape == row.triggered.shape == (32, 32, 3)
        assert (row.clean != row.triggered).any(), f"{row.name} changes nothing"
        assert 10 < row.psnr < 50, row.name


def test_the_gallery_names_the_settings_of_the_matrix_and_words_in_texts(rows):
    settings = {row.name: row.settings for row in rows}
    assert settings["blended"] == "alpha 0.3"
    assert settings["badnets"] == ""
    assert settings["trojvqa"] == 'text: "remember ..."'


def test_the_gallery_is_a_picture(micro, clipdefense):
    finished = clipdefense("gallery", "--matrix", "micro.toml", "--out", "sheet.png")
    assert (finished.code, finished.out) == (0, "23 triggers in sheet.png\n"), finished.err
    with Image.open(micro.home / "sheet.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 500


def test_the_gallery_of_an_unknown_data_set_is_refused(world, clipdefense):
    finished = clipdefense("gallery", "--matrix", "micro.toml", "--dataset", "shaps")
    assert finished.code == 2
    assert "no dataset named 'shaps'; did you mean 'shapes'?" in finished.err


@pytest.mark.parametrize(("kind", "name"), PLUGINS, ids=[name for _, name in PLUGINS])
def test_every_plugin_documents_itself(kind, name):
    found = facts(kind, name, Registry())
    assert all(found.summary)
    assert found.papers or "Ours" in found.summary[0]
    assert found.differs or "Ours" in found.summary[0]
    undocumented = [parameter for parameter, (_, meaning) in found.parameters.items() if not meaning]
    assert not undocumented, f"{name} does not say what {', '.join(undocumented)} means; add it under Args"
    assert kind == "attack" or set(found.knows) <= NEEDS


def test_what_a_plugin_calls_is_its_cost():
    costs = {name: facts("defense", name, Registry()).cost for name in ("finetune", "anp", "rnp", "wanda", "wise")}
    assert costs == {
        "finetune": "fine-tunes",
        "anp": "learns masks",
        "rnp": "fine-tunes and learns masks",
        "wanda": "passes over images",
        "wise": "weights alone",
    }


def test_the_catalogue_in_the_documentation_is_fresh():
    page = (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8")
    assert page == catalogue(Registry()), "write it again: clipdefense catalogue > docs/catalogue.md"


def test_the_catalogue_matrix_has_every_attack_and_defense():
    matrix, registry = load_matrix("catalogue-small"), Registry()
    assert {use.plugin for use in matrix.attacks} == set(registry.entries("attack"))
    assert {use.plugin for use in matrix.defenses} == set(registry.entries("defense"))
    assert set(matrix.sources) == {"given", *registry.entries("inverter")}
