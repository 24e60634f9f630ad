"""Which cells a matrix has: the product, the controls, trigger sources, and what is skipped and why."""

import pytest

from benchmark.errors import UserError
from benchmark.matrix import load_matrix, with_loose
from benchmark.planning import make_jobs
from benchmark.registry import Registry

VIT_ONLY = """
class VitOnly:
    needs = frozenset()
    architectures = frozenset({"vit"})
    def __call__(self, model, context):
        yield 0.0, model

class ResnetOnly(VitOnly):
    architectures = frozenset({"resnet"})
"""


@pytest.fixture
def jobs(world):
    """The jobs of the micro matrix with changes, and with plugins from loose files."""

    def make(changes="", *plugins):
        registry = Registry(plugins)
        return make_jobs(with_loose(load_matrix(world.matrix("changed", changes)), registry), registry)

    return make


def cells(jobs, **chosen):
    return [job.cell for job in jobs if all(getattr(job.cell, name) == value for name, value in chosen.items())]


def test_the_product_of_models_attacks_defenses_and_seeds(jobs):
    found = jobs('models = ["tiny-resnet", "tiny-vit"]\nseeds = [0, 1, 2]\ndatasets = ["shapes", "digits"]\n'
                 'targets = { shapes = "heart", digits = "three" }')  # fmt: skip
    poisoned = cells(found, victim="poisoned")
    expected = {
        (model, dataset, attack, defense, seed)
        for model in ("tiny-resnet", "tiny-vit")
        for dataset in ("shapes", "digits")
        for attack in ("badnets", "blended")
        for defense in ("none", "finetune", "pruning", "task_vector")
        for seed in (0, 1, 2)
    }
    assert {(cell.model, cell.dataset, cell.attack, cell.defense, cell.seed) for cell in poisoned} == expected
    assert len(poisoned) == len(expected)


def test_controls_are_there_without_being_named(jobs):
    found = jobs('defenses = ["pruning"]')
    assert {cell.defense for cell in cells(found, victim="poisoned")} == {"none", "finetune", "pruning"}


def test_named_controls_are_not_doubled(jobs):
    found = jobs('defenses = ["none", { plugin = "finetune", label = "gentle", parameters = { epochs = 1 } }]')
    assert [cell.defense for cell in cells(found, attack="badnets", victim="poisoned")] == ["none", "gentle"]


def test_the_clean_model_meets_every_trigger_once(jobs):
    clean = cells(jobs("seeds = [3, 4]"), victim="clean")
    assert [(cell.attack, cell.defense, cell.seed) for cell in clean] == [
        ("badnets", "none", 3),
        ("blended", "none", 3),
    ]


def test_the_benign_victim_meets_every_defense_under_one_attack(jobs):
    benign = cells(jobs(), victim="benign")
    assert {(cell.attack, cell.defense) for cell in benign} == {
        ("badnets", defense) for defense in ("none", "finetune", "pruning", "task_vector")
    }
    assert not cells(jobs('benign = ""'), victim="benign")


def test_the_benign_victim_is_not_poisoned(jobs):
    found = jobs()
    assert {job.poisons for job in found if job.cell.victim != "poisoned"} == {0}
    assert {job.poisons for job in found if job.cell.victim == "poisoned"} == {16}


def test_poison_counts_follow_the_attack(jobs):
    found = jobs("poisons = { blended = 24 }")
    assert {(job.cell.attack, job.poisons) for job in found if job.cell.victim == "poisoned"} == {
        ("badnets", 16),
        ("blended", 24),
    }


def test_a_trigger_free_defense_has_no_source(jobs):
    assert {(cell.defense, cell.source) for cell in cells(jobs())} == {
        ("none", "none"),
        ("finetune", "none"),
        ("pruning", "none"),
        ("task_vector", "given"),
    }


@pytest.mark.parametrize(
    ("grants", "skipped"),
    [
        ('["clean_pairs"]', {"pruning": "clean_images", "task_vector": "triggered_pairs"}),
        ('["clean_images", "triggered_pairs"]', {"finetune": "clean_pairs"}),
        ('["clean_pairs", "clean_images", "triggered_pairs"]', {}),
    ],
)
def test_what_is_not_granted_is_skipped_with_a_reason(jobs, grants, skipped):
    for job in jobs(f"grants = {grants}"):
        missing = skipped.get(job.cell.defense)
        assert job.skip == (f"needs '{missing}', which the matrix does not grant" if missing else "")


def test_a_skipped_cell_is_a_result_and_not_computed(world, micro, clipdefense):
    world.matrix("poor", 'grants = ["clean_pairs"]\nattacks = ["badnets"]\nbenign = ""')
    finished = clipdefense("run", "poor.toml", "--only", "defense=pruning")
    assert (finished.code, finished.out.splitlines()[-1]) == (0, "1 skipped in runs/poor")
    result = world.found("poor")["tiny-resnet / shapes / badnets / pruning / seed 0"]
    assert (result.status, result.points, result.victim) == ("skipped", (), None)
    assert "clean_images" in result.reason
    assert "clean_images" in clipdefense("status", "poor.toml").out


def test_a_defense_for_other_architectures_is_skipped(world, jobs):
    world.write("kinds.py", VIT_ONLY)
    found = jobs('models = ["tiny-resnet", "tiny-vit"]', "kinds.py:VitOnly", "kinds.py:ResnetOnly")
    reasons = {(job.cell.model, job.cell.defense): job.skip for job in found}
    assert reasons["tiny-vit", "vit_only"] == reasons["tiny-resnet", "resnet_only"] == ""
    assert reasons["tiny-resnet", "vit_only"] == "works on vit models only, and tiny-resnet is resnet"
    assert reasons["tiny-vit", "resnet_only"] == "works on resnet models only, and tiny-vit is vit"


def test_a_loose_plugin_joins_the_matrix_once(world, jobs):
    world.write("kinds.py", VIT_ONLY)
    named = jobs('defenses = ["resnet_only"]', "kinds.py:ResnetOnly")
    added = jobs('defenses = ["none"]', "kinds.py:ResnetOnly")
    for found in (named, added):
        assert [cell.defense for cell in cells(found, attack="badnets", victim="poisoned")].count("resnet_only") == 1


def test_seeds_differ_where_they_may_and_nowhere_else(jobs):
    found = jobs("seeds = [0, 1]")
    poisoned = [job for job in found if job.cell.victim == "poisoned"]
    assert len({job.seeds["victim"] for job in poisoned}) == len({(job.cell.attack, job.cell.seed) for job in poisoned})
    assert len({job.seeds["defense"] for job in poisoned}) == len(poisoned)
    assert len({job.keys["pretrained"] for job in found}) == 1
    assert len({job.keys["victim"] for job in found if job.cell.victim == "benign"}) == 2


def test_a_limit_leaves_out_what_it_does_not_admit(jobs):
    found = jobs('models = ["tiny-resnet", "tiny-vit"]\nsources = ["given", "planted"]\n'
                 'limits = [{ when = { model = "tiny-vit" }, only = { attack = "badnets" } },'
                 '          { when = { source = "planted" }, only = { attack = ["blended"] } }]')  # fmt: skip
    assert {cell.attack for cell in cells(found, model="tiny-vit")} == {"badnets"}
    assert {cell.attack for cell in cells(found, model="tiny-resnet")} == {"badnets", "blended"}
    assert {cell.attack for cell in cells(found, source="planted")} == {"blended"}
    assert {cell.attack for cell in cells(found, source="given")} == {"badnets", "blended"}


def test_a_limit_on_what_the_matrix_does_not_have_is_refused(jobs):
    with pytest.raises(UserError, match="limits: this matrix has no attack 'badnet'; did you mean 'badnets'"):
        jobs('limits = [{ when = { model = "tiny-resnet" }, only = { attack = "badnet" } }]')
    with pytest.raises(UserError, match=r"limits.*weekday"):
        jobs('limits = [{ when = { weekday = "monday" }, only = { attack = "badnets" } }]')
