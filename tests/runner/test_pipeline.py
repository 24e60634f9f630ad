"""A matrix from its file to its results: everything is there, adds up, and is computed once."""

import numpy as np
import pytest

from benchmark.metrics import METRIC_VERSION
from benchmark.results import SCHEMA_VERSION

CELLS = {
    "badnets [clean] / none",
    "badnets / none",
    "badnets / finetune",
    "badnets / pruning",
    "badnets / task_vector <given>",
    "badnets [benign] / none",
    "badnets [benign] / finetune",
    "badnets [benign] / pruning",
    "badnets [benign] / task_vector <given>",
    "blended [clean] / none",
    "blended / none",
    "blended / finetune",
    "blended / pruning",
    "blended / task_vector <given>",
}
STRENGTHS = {"none": [0.0], "finetune": [1.0], "pruning": [0.25, 0.5], "task_vector": [1.5, 3.0]}


def contents(world):
    return {path: path.read_bytes() for path in sorted(world.home.rglob("*")) if path.is_file()}


def numbers(result):
    """A result without what differs between two computations of the same thing: clocks, memory, the time of day."""
    plain = result.model_dump(exclude={"provenance", "cost"})
    for point in plain["points"]:
        del point["seconds"]
    return plain | {"keys": result.provenance.keys, "steps": result.cost.optimiser_steps}


@pytest.fixture
def nothing_computes(monkeypatch):
    def refuse(self, job):
        raise AssertionError(f"computes {job.cell.text} again")

    monkeypatch.setattr("benchmark.cells.Laboratory.compute", refuse)


def test_every_cell_is_there_and_ok(finished_micro):
    found = finished_micro.found()
    assert set(found) == {f"tiny-resnet / shapes / {cell} / seed 0" for cell in CELLS}
    assert {result.status for result in found.values()} == {"ok"}


def test_every_defense_has_its_whole_curve(finished_micro):
    for result in finished_micro.found().values():
        assert [point.strength for point in result.points] == STRENGTHS[result.cell.defense]


def test_a_result_says_what_it_is_and_where_it_comes_from(finished_micro):
    for result in finished_micro.found().values():
        origin = result.provenance
        assert (result.schema_version, result.metric_version) == (SCHEMA_VERSION, METRIC_VERSION)
        assert {"pretrained", "victim", "defended", "measured"} <= origin.keys.keys()
        assert origin.keys["measured"] == result.key
        assert {"pretrained", "victim", "defense"} <= origin.seeds.keys()
        assert {"attack", "defense", "dataset"} <= origin.plugins.keys()
        assert {"torch", "open_clip_torch", "numpy"} <= origin.packages.keys()
        assert origin.utc.endswith("+00:00")
        assert origin.device
        assert origin.git_commit is None or len(origin.git_commit.removesuffix("+changes")) == 40
        assert {"defended", "measured"} <= origin.stage_seconds.keys()
        assert result.cost.peak_memory_bytes > 2**20


def test_a_result_has_its_resolved_parameters(finished_micro):
    found = finished_micro.found()
    resolved = found["tiny-resnet / shapes / blended / task_vector <given> / seed 0"].resolved
    assert resolved["attack"] == {
        "plugin": "attacks.blended:Blended",
        **{"target": "heart", "alpha": 0.3},
        **{name: resolved["attack"][name] for name in resolved["attack"].keys() - {"plugin", "target", "alpha"}},
    }
    assert (resolved["defense"]["alpha_max"], resolved["defense"]["alpha_steps"]) == (3.0, 2)
    assert (resolved["poisons"], resolved["protocol"]["epochs"]) == (16, 2)
    assert resolved["sizes"]["victim_pairs"] == 128
    assert resolved["model"]["pretrain"]["epochs"] == 6
    assert "reference_model" in resolved["grants"]


def test_stages_are_timed_where_they_were_computed(finished_micro):
    stages = [set(result.provenance.stage_seconds) for result in finished_micro.found().values()]
    assert sum("pretrained" in computed for computed in stages) == 1
    assert sum("victim" in computed for computed in stages) == 3


def test_cost_counts_what_a_defense_used(finished_micro):
    for result in finished_micro.found().values():
        cost, defense = result.cost, result.cell.defense
        used = (cost.clean_pairs, cost.triggered_pairs, cost.optimiser_steps, cost.pairs_seen)
        assert (
            used
            == {
                "none": (0, 0, 0, 0),
                "finetune": (64, 0, 1, 64),
                "pruning": (64, 0, 0, 0),
                "task_vector": (0, 32, 1, 32),
            }[defense]
        )
        assert (cost.trainable_parameters > 0) == (defense in ("finetune", "task_vector"))


def test_knowledge_is_what_the_defense_was_given(finished_micro):
    known = {result.cell.defense: result.knowledge for result in finished_micro.found().values()}
    assert known == {
        "none": (),
        "finetune": ("clean_pairs",),
        "pruning": ("clean_images",),
        "task_vector": ("triggered_pairs",),
    }


def test_outcomes_reproduce_the_metrics(finished_micro):
    folder = finished_micro.folder()
    values = set()
    for result in finished_micro.found().values():
        outcomes = folder.outcomes(result.key)
        for split in ("validation", "test"):
            bits, other = getattr(outcomes, split), getattr(outcomes, f"{split}_other")
            before = result.victim if split == "test" else result.victim_validation
            assert bits.shape == (1 + len(result.points), 3, 60)
            assert (getattr(result.counts, split), getattr(result.counts, f"{split}_other")) == (60, other.sum())
            for row, measured in enumerate([before, *(getattr(point, split) for point in result.points)]):
                clean, success, robust = bits[row]
                assert not (success & ~other).any()
                assert not (robust & ~other).any()
                assert measured.clean_accuracy == pytest.approx(clean.mean())
                assert measured.attack_success_rate == pytest.approx(success[other].mean())
                assert measured.robust_accuracy == pytest.approx(robust[other].mean())
                assert measured.target_recall == pytest.approx(clean[~other].mean())
                values.add((measured.clean_accuracy, measured.attack_success_rate, measured.robust_accuracy))
    assert len(values) > 10, "the models of the micro matrix differ too little for this test to mean anything"


def test_no_defense_measures_the_victim_itself(finished_micro):
    for result in finished_micro.found().values():
        if result.cell.defense == "none":
            assert result.points[0].test == result.victim
            assert result.points[0].validation == result.victim_validation


def test_the_clean_control_is_the_clean_model(finished_micro):
    for result in finished_micro.found().values():
        if result.cell.victim == "clean":
            assert result.victim == result.clean
        assert (result.gate is not None) == (result.cell.victim == "poisoned")


def test_a_second_run_computes_and_changes_nothing(micro, clipdefense, nothing_computes):
    before = contents(micro)
    finished = clipdefense("run", "micro.toml")
    assert (finished.code, finished.out.splitlines()) == (0, ["14 ok in runs/micro"])
    assert contents(micro) == before


def test_another_matrix_takes_equal_cells_from_the_store(micro, clipdefense, nothing_computes):
    micro.matrix("twin")
    assert clipdefense("run", "twin.toml").out.splitlines() == ["14 ok in runs/twin"]
    assert micro.found("twin") == micro.found()
    for result in micro.found().values():
        assert np.array_equal(micro.folder("twin").outcomes(result.key).test, micro.folder().outcomes(result.key).test)


def test_only_computes_the_chosen_cells_and_plans_all(micro, clipdefense):
    micro.matrix("more", "seeds = [0, 1]")
    finished = clipdefense(
        "run", "more.toml", "--only", "seed=0", "--only", "defense=none", "--only", "defense=pruning"
    )
    assert finished.out.splitlines() == ["8 ok in runs/more"]
    found = micro.found("more")
    assert len(found) == 26
    assert sum(result is None for result in found.values()) == 18


@pytest.mark.xdist_group("processes")
def test_a_fresh_store_gives_the_same_bits(finished_micro, world, process):
    finished = process("run", "micro.toml")
    assert finished.code == 0
    assert finished.out.splitlines()[-1] == "14 ok in runs/micro"
    before, after = finished_micro.found(), world.found()
    assert {text: numbers(result) for text, result in after.items()} == {
        text: numbers(result) for text, result in before.items()
    }
    for result in before.values():
        one, other = (place.folder().outcomes(result.key).packed() for place in (finished_micro, world))
        assert all(np.array_equal(one[name], other[name]) for name in one)
    for stage in ("pretrained", "victim"):
        weights = sorted(path.relative_to(world.store) for path in (world.store / stage).rglob("model.safetensors"))
        assert weights
        for path in weights:
            assert (world.store / path).read_bytes() == (finished_micro.store / path).read_bytes()
