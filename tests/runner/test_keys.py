"""What a key depends on: parameters and code of its own stage and those before it, and nothing else."""

import importlib
import sys
from pathlib import Path

import pytest

from benchmark import fingerprint
from benchmark.fingerprint import code_digest, digest
from benchmark.matrix import load_matrix, with_loose
from benchmark.planning import make_jobs
from benchmark.registry import Registry

DEFENSE = '''
"""A plugin."""
class Loose:
    """One point."""
    needs = frozenset()
    def __call__(self, model, context):
        yield 1.0, model
'''
ATTACK = """
class Corner:
    target = "heart"
    def trigger(self, images, ids):
        stamped = images.clone()
        stamped[:, :, -4:, -4:] = 1.0
        return stamped
"""


@pytest.fixture(autouse=True)
def forget_code(monkeypatch):
    """Code is read once per process; these tests change it."""

    def forget():
        for remembered in (fingerprint._source_file, fingerprint._tree, fingerprint._tree_digest, fingerprint._imports):
            remembered.cache_clear()
        importlib.invalidate_caches()

    forget()
    yield forget
    forget()


@pytest.fixture
def keys(world, forget_code):
    """Keys of seed 0 by (attack, victim, defense) and stage, of the micro matrix with changes and loose plugins."""

    def read(changes="", **plugins):
        forget_code()
        for name, text in plugins.items():
            world.write(f"{name}.py", text)
        classes = {"defense": "Loose", "attack": "Corner"}
        registry = Registry(f"{name}.py:{classes[name]}" for name in plugins)
        jobs = make_jobs(with_loose(load_matrix(world.matrix("keyed", changes)), registry), registry)
        return {(job.cell.attack, job.cell.victim, job.cell.defense): job.keys for job in jobs if job.cell.seed == 0}

    return read


def changed(before, after, stage="measured"):
    assert before.keys() == after.keys()
    return {cell for cell in before if before[cell][stage] != after[cell][stage]}


def test_keys_are_the_same_every_time(keys):
    assert keys() == keys()


@pytest.mark.parametrize(
    "edited",
    [
        DEFENSE.replace("yield", "# the suspect itself\n        yield"),
        DEFENSE.replace('"""One point."""', '"""The suspect model as it is."""'),
        DEFENSE.replace('"""A plugin."""', ""),
        DEFENSE.replace("yield 1.0, model", "yield (\n            1.0,\n            model,\n        )"),
        DEFENSE.replace("    needs", "\n\n    needs"),
    ],
    ids=["comment", "docstring", "docstring removed", "line breaks", "empty lines"],
)
def test_comments_and_layout_do_not_count(keys, edited):
    assert edited != DEFENSE
    assert keys(defense=edited) == keys(defense=DEFENSE)


def test_an_edited_defense_changes_its_own_cells_alone(keys):
    before, after = keys(defense=DEFENSE), keys(defense=DEFENSE.replace("1.0", "2.0"))
    mine = {cell for cell in before if cell[2] == "loose"}
    assert changed(before, after) == changed(before, after, "defended") == mine
    assert not changed(before, after, "victim")


def test_an_edited_attack_changes_its_own_victims_alone(keys):
    before, after = keys(attack=ATTACK), keys(attack=ATTACK.replace("1.0", "0.5"))
    assert changed(before, after) == {cell for cell in before if cell[0] == "corner"}
    assert changed(before, after, "victim") == {cell for cell in before if cell[:2] == ("corner", "poisoned")}
    assert not changed(before, after, "pretrained")


def test_another_parameter_of_a_defense(keys):
    before = keys()
    after = keys('defenses = [{ plugin = "finetune", parameters = { epochs = 1 } }, "task_vector",'
                 ' { plugin = "pruning", parameters = { share_max = 0.6, share_steps = 2 } }]')  # fmt: skip
    assert changed(before, after) == {cell for cell in before if cell[2] in ("pruning", "task_vector")}
    assert not changed(before, after, "victim")


def test_a_default_written_out_is_the_same_cell(keys):
    before = keys('defenses = ["pruning"]')
    after = keys('defenses = [{ plugin = "pruning", parameters = { share_max = 0.95 } }]')
    assert before == after


@pytest.mark.parametrize(
    ("change", "stage", "unchanged"),
    [
        ("pretraining = { epochs = 5 }", "pretrained", None),
        ("pretraining = { pairs = { shapes = 300 } }", "pretrained", None),
        ('precision = "bfloat16"', "pretrained", None),
        ("protocol = { learning_rate = 0.01 }", "victim", "pretrained"),
        ("sizes = { victim_pairs = 100 }", "victim", "pretrained"),
        ("sizes = { clean_pairs = 50 }", "defended", "victim"),
        ("sizes = { test = 50 }", "measured", "defended"),
        ("budget = 3.0", "measured", "defended"),
        ('general = ["digits"]', "measured", "defended"),
        ("rebound = 1", "measured", "defended"),
    ],
)
def test_a_setting_counts_from_its_stage_on(keys, change, stage, unchanged):
    before, after = keys(), keys(change)
    poisoned = {cell for cell in before if cell[1] == "poisoned"}
    assert poisoned <= changed(before, after, stage)
    assert poisoned <= changed(before, after)
    assert unchanged is None or not changed(before, after, unchanged)


def test_a_poison_count_counts_for_its_attack(keys):
    before, after = keys(), keys("poisons = { blended = 17 }")
    assert changed(before, after, "victim") == {cell for cell in before if cell[:2] == ("blended", "poisoned")}


def test_what_only_a_report_reads_changes_no_key(keys):
    assert keys('held_out = ["blended"]') == keys("rebound = 0") == keys()


@pytest.mark.parametrize("change", ['summary = "Another"', "seeds = [0, 1]", 'defenses = ["none", "finetune"]'])
def test_what_a_cell_does_not_depend_on(keys, change):
    before, after = keys(), keys(change)
    common = {cell for cell in before.keys() & after.keys() if cell[2] == "none"}
    assert common
    assert all(before[cell]["victim"] == after[cell]["victim"] for cell in common)


@pytest.fixture
def package(tmp_path, monkeypatch, forget_code):
    """Writes modules of a package that is not ours and returns the identity of one of them."""
    monkeypatch.syspath_prepend(str(tmp_path / "outside"))

    def write(module="plugin", **modules):
        folder = tmp_path / "outside" / "somebodys"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").touch()
        for name, text in modules.items():
            (folder / f"{name}.py").write_text(text)
        forget_code()
        for name in [name for name in sys.modules if name.startswith("somebodys")]:
            del sys.modules[name]
        return code_digest([f"somebodys.{module}"])

    yield write
    for name in [name for name in sys.modules if name.startswith("somebodys")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    "statement",
    [
        "from .helper import f",
        "from . import helper",
        "from somebodys.helper import f",
        "import somebodys.helper",
        "def late():\n    from somebodys import helper",
    ],
)
def test_a_fingerprint_follows_imports_within_a_package(package, statement):
    before = package(plugin=statement, helper="def f(): return 1")
    assert package(plugin=statement, helper="def f(): return 1  # one") == before
    assert package(plugin=statement, helper="def f(): return 2") != before


def test_a_fingerprint_follows_imports_of_imports(package):
    before = package(plugin="from .helper import f", helper="from .deep import f", deep="def f(): return 1")
    assert package(deep="def f(): return 2") != before


def test_a_fingerprint_ignores_imports_for_types(package):
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .helper import f"
    before = package(plugin=text, helper="def f(): return 1")
    assert package(helper="def f(): return 2") == before


def test_a_fingerprint_ignores_modules_that_are_not_imported(package):
    before = package(plugin="x = 1", helper="def f(): return 1")
    assert package(helper="def f(): return 2") == before


def edited_module(monkeypatch, name, folder, old, new):
    """Lets a module of ours look as if its file had been edited."""
    module = importlib.import_module(name)
    text = Path(module.__file__).read_text(encoding="utf-8")
    assert old in text
    copy = folder / f"{name}.py"
    copy.write_text(text.replace(old, new), encoding="utf-8")
    monkeypatch.setattr(module, "__file__", str(copy))


def test_a_module_of_ours_counts_for_those_who_import_it(keys, monkeypatch, tmp_path):
    before = keys()
    edited_module(monkeypatch, "benchmark.arithmetic", tmp_path, "def applied(", "def applied(\n    *,\n    ")
    assert changed(before, keys()) == {cell for cell in before if cell[2] == "task_vector"}


def test_the_training_loop_counts_for_everything(keys, monkeypatch, tmp_path):
    before = keys()
    edited_module(monkeypatch, "benchmark.training", tmp_path, "0.5 * (1 + math.cos", "0.4 * (1 + math.cos")
    for stage in ("pretrained", "victim", "defended", "measured"):
        assert changed(before, keys(), stage) == set(before)


@pytest.mark.parametrize("name", ["benchmark.store", "benchmark.registry", "benchmark.progress"])
def test_what_only_carries_results_does_not_count(keys, monkeypatch, tmp_path, name):
    before = keys()
    edited_module(monkeypatch, name, tmp_path, "from __future__", "EDITED = True\nfrom __future__")
    assert keys() == before


def test_digests_do_not_depend_on_the_order_of_keys():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
    assert len(digest("x")) == 32
