"""Rebound: what fine-tuning on clean pairs does to the success of a picked model, where a matrix asks for it."""

import pytest
import torch

from benchmark.agreement import same_numbers
from benchmark.artifacts import Artifacts
from benchmark.evaluation import measure
from benchmark.matrix import load_matrix
from benchmark.planning import make_jobs
from benchmark.progress import Silent
from benchmark.registry import Registry
from benchmark.seeds import derive
from benchmark.stages.materials import Materials
from benchmark.store import Store
from benchmark.training import overridden, train

CHANGES = 'rebound = 2\nattacks = ["badnets"]\ndefenses = [{ plugin = "finetune", parameters = { epochs = 1 } }]'


@pytest.fixture
def rebounding(finished_micro, once, call, monkeypatch):
    """A world in which the micro matrix was run with rebound and without."""

    def make(empty):
        world = finished_micro.copied(empty.home)
        world.matrix("rebounding", CHANGES)
        assert call(world, "run", "rebounding.toml").out.splitlines()[-1] == "5 ok in runs/rebounding"

    world = once("rebounding", make)
    monkeypatch.chdir(world.home)
    return world


def test_it_is_the_highest_success_after_an_epoch_of_clean_training(rebounding):
    job = next(
        job
        for job in make_jobs(load_matrix("rebounding.toml"), Registry())
        if (job.cell.victim, job.cell.defense) == ("poisoned", "none")
    )
    materials, device = Materials(), torch.device("cpu")
    artifacts = Artifacts(Store(rebounding.store), materials, device, Silent())
    victim = artifacts.victim(job)
    pairs = materials.defender_pairs(job, victim.image_size).without_labels()
    seed = derive(job.seeds["defense"], "rebound")
    probe = materials.examination(job, job.attack, victim.image_size).test
    trained = train(victim, pairs, overridden(job.model.defend, epochs=2), seed=seed)
    success = [measure(model, probe).metrics["attack_success_rate"] for model in trained]
    assert len(success) == 2
    assert rebounding.found("rebounding")[job.cell.text].rebound == max(success)


def test_it_belongs_to_poisoned_victims_and_changes_nothing_else(rebounding):
    before = rebounding.found()
    for text, result in rebounding.found("rebounding").items():
        assert (result.rebound is not None) == (result.cell.victim == "poisoned")
        assert result.resolved["rebound"] == 2
        assert result.cost.optimiser_steps == before[text].cost.optimiser_steps
        plain = result.model_copy(update={"rebound": None})
        assert same_numbers(plain, before[text], across_versions=True)
    assert {result.rebound for result in before.values()} == {None}
    assert all("rebound" not in result.resolved for result in before.values())
