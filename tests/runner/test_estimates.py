"""What a matrix will cost, from its jobs alone: exact counts, known sizes, stated assumptions, and nothing started."""

import pytest

from benchmark.estimating import downloads, shares, speed_of, stored_bytes, towers
from benchmark.matrix import built_in_matrices, load_matrix
from benchmark.models import Clip
from benchmark.planning import make_jobs
from benchmark.registry import Registry
from benchmark.workload import works

OFFLINE = ("paper-captions", "paper-classification", "paper-unknown")


def jobs_of(name):
    return make_jobs(load_matrix(name), Registry())


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a plan asks the network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("benchmark.hub.listing", refuse)
    monkeypatch.setattr("benchmark.hub.fetch", refuse)


@pytest.mark.parametrize("name", built_in_matrices())
def test_every_matrix_that_comes_with_the_package_plans_without_data_or_network(name, no_network):
    jobs = jobs_of(name)
    assert jobs
    assert len({job.key for job in jobs}) == len(jobs)
    assert all(not job.skip or job.skip.startswith("works on") for job in jobs)
    assert all(job.poisons <= job.matrix.sizes.victim_pairs for job in jobs)


@pytest.mark.parametrize("name", OFFLINE)
def test_the_papers_experiments_cost_gpu_hours_and_downloads(name, no_network):
    jobs = jobs_of(name)
    hours = sum(towers(w.spec.name).operations(w) / speed_of(w.spec) / 3600 for w in works(jobs))
    assert 1 < hours < 1000
    named = dict(downloads(jobs, shares(jobs)))
    assert named["weights of ViT-B-32/openai"] == pytest.approx(605e6, rel=0.01)
    assert {text.split()[0] for text in named} >= {"weights", "imagenet"}


@pytest.mark.parametrize("name", OFFLINE)
def test_a_small_twin_asks_the_same_of_less(name):
    paper, small = load_matrix(name), load_matrix(f"{name}-small")
    for group in ("attacks", "defenses"):
        assert [use.plugin for use in getattr(paper, group)] == [use.plugin for use in getattr(small, group)]
    assert (paper.sources, paper.benign) == (small.sources, small.benign)
    assert paper.protocol.kind == small.protocol.kind
    assert bool(paper.captions) == bool(small.captions)
    assert bool(paper.retrieval) == bool(small.retrieval)
    assert paper.protocol.ladder and small.protocol.ladder
    for matrix in (paper, small):
        assert matrix.sizes.triggered_pairs <= 0.02 * matrix.sizes.clean_pairs


def test_towers_count_what_the_papers_of_their_architectures_say():
    vit = towers("ViT-B-32/openai")
    assert vit.image == pytest.approx(2 * 4.4e9, rel=0.02), "4.4 G multiplications (arXiv 2010.11929)"
    assert (vit.parameters, vit.side) == (151_277_313, 224)
    assert towers("RN50/openai").parameters == 102_007_137


def test_towers_of_an_embedded_model_are_those_that_are_trained():
    from benchmark.architectures import model_spec

    counted, real = towers("tiny-resnet"), Clip.untrained(model_spec("tiny-resnet"), 0)
    assert counted.parameters == sum(parameter.numel() for parameter in real.module.parameters())
    assert counted.side == real.image_size


def test_every_artifact_is_counted_once_and_every_rung_of_a_ladder(world):
    ladder = 'protocol = { ladder = [1e-4, 1e-3], epochs = 2 }\nattacks = ["badnets"]\ndefenses = ["none"]'
    jobs = make_jobs(load_matrix(world.matrix("climbed", ladder)), Registry())
    by_stage = {work.stage: work for work in works(jobs)}
    assert by_stage["pretrained"].pairs == 256 * 6
    assert by_stage["victim"].artifacts == 2
    assert by_stage["victim"].pairs == 2 * 2 * 128 + 2 * 128, "two rungs of the poisoned victim, one benign victim"
    assert by_stage["defended"].pairs == 2 * 5 * 64, "five epochs of the control on 64 pairs for either victim"
    assert by_stage["measured"].seen == (3 + 2 * 5) * 2 * 120, "none thrice, five points of the control twice"


def test_the_classification_protocol_trains_one_tower(world):
    jobs = make_jobs(load_matrix(world.matrix("classes", 'protocol = { kind = "classification" }')), Registry())
    work = {work.stage: work for work in works(jobs)}["victim"]
    assert (work.pairs, work.images) == (0, 3 * 2 * 128)


def test_what_is_in_the_store_costs_nothing(world, finished_micro):
    from benchmark.store import Store

    jobs = make_jobs(load_matrix(world.matrix("micro")), Registry())
    kept = Store(finished_micro.store)
    assert works(jobs) and not works(jobs, kept.has)
    assert stored_bytes(jobs, kept.has) == 0 < stored_bytes(jobs, lambda stage, key: False)


def test_decoded_images_are_counted_in_bytes_and_embedded_ones_not_at_all():
    found = {(share.dataset.name, share.split): share for share in shares(jobs_of("paper-captions"))}
    assert found["cc3m", "train"].bytes == 500_000 * 3 * 224 * 224
    assert found["coco", "test"].count == 4_990
    assert ("imagenet", "train") not in found
    assert shares(jobs_of("paper-captions-small")) == []


def test_a_local_copy_needs_no_download(folder):
    options = {name: {"path": str(folder)} for name in ("cc3m", "imagenet", "coco")}
    jobs = make_jobs(load_matrix("paper-captions"), Registry(), options)
    assert [name for name, _ in downloads(jobs, shares(jobs))] == ["weights of ViT-B-32/openai"]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "train.parquet").write_bytes(b"")
    return tmp_path / "here"


def test_an_estimate_prints_its_assumptions_and_starts_nothing(world, clipdefense):
    finished = clipdefense("run", "micro.toml", "--estimate")
    assert finished.code == 0
    assert "14 of 14 cells to compute" in finished.out
    assert "hours (assumed)" in finished.out
    assert finished.out.count("assumed: ") == 3
    assert not (world.home / "runs").exists()
    assert not [path for path in world.store.rglob("*") if path.is_file()]


def test_an_estimate_follows_the_choice_of_cells_and_a_plan_ends_with_one(world, clipdefense):
    assert "5 of 5 cells" in clipdefense("run", "micro.toml", "--estimate", "--only", "defense=none").out
    assert "14 of 14 cells to compute" in clipdefense("plan", "micro.toml").out
