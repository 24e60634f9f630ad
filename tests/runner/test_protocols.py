"""Matrices with other protocols: classification, a ladder, captioned training pairs, retrieval."""

import pytest

from benchmark.errors import UserError
from benchmark.matrix import load_matrix
from benchmark.planning import make_jobs
from benchmark.registry import Registry
from benchmark.results import Result

ONE_ATTACK = 'attacks = ["badnets"]\ndefenses = [{ plugin = "finetune", parameters = { epochs = 1 } }, '
TASK_VECTOR = '{ plugin = "task_vector", parameters = { alpha_steps = 2, epochs = 1 } }'
CLASSIFIED = (
    f'{ONE_ATTACK}{TASK_VECTOR}, {{ plugin = "gradient_ascent", parameters = {{ epochs = 1 }} }}]\n'
    'protocol = { kind = "classification", epochs = 1, batch_size = 16 }\n'
)
CAPTIONED = (
    f'{ONE_ATTACK}{TASK_VECTOR}, "supervised"]\nbenign = ""\n'
    'datasets = ["digits"]\ntargets = { digits = "three" }\n'
    'captions = { plugin = "shapes", label = "told" }\n'
    'retrieval = [{ plugin = "shapes", label = "asked" }, "digits"]\n'
    "[sizes]\nretrieval = 40\n"
)


def on_ladder(rates):
    return CLASSIFIED.replace('"classification"', f'"classification", ladder = {rates}')


POISONED = "tiny-resnet / shapes / badnets / {} / seed 0"


@pytest.fixture
def plan(world):
    """The jobs of the micro matrix with changes, by (victim, defense)."""

    def make(changes="", data=None):
        jobs = make_jobs(load_matrix(world.matrix("changed", changes)), Registry(), data)
        return {(job.cell.attack, job.cell.victim, job.cell.defense): job for job in jobs if job.cell.seed == 0}

    return make


def differing(before, after, stage):
    return {name for name in before.keys() & after.keys() if before[name].keys[stage] != after[name].keys[stage]}


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ('protocol = { kind = "supervised" }', "protocol.kind"),
        ("protocol = { ladder = [1e-3, 1e-4] }", "starts above 0 and ascends"),
        ("protocol = { ladder = [0.0, 1e-4] }", "starts above 0 and ascends"),
        (CAPTIONED.replace("[sizes]", '[protocol]\nkind = "classification"\n[sizes]'), "labels, which captions do not"),
        ('retrieval = ["shapes", "shapes"]', "'shapes' stands twice in retrieval"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(world, table, sentence):
    with pytest.raises(UserError, match=sentence):
        load_matrix(world.matrix("wrong", table))


@pytest.mark.parametrize("attack", ["adaptive", "badmerging"])
def test_an_attack_with_a_loss_of_its_own_is_not_the_classification_protocol(plan, attack):
    changes = f'attacks = ["{attack}"]\nbenign = ""\nprotocol = {{ kind = "classification" }}'
    with pytest.raises(UserError, match=f"attack '{attack}' trains its victim with a loss of its own"):
        plan(changes)


def test_clean_pairs_of_the_classification_protocol_are_labelled(plan):
    jobs = plan(CLASSIFIED)
    known = {name[2]: set(job.needs) for name, job in jobs.items()}
    assert known["finetune"] == {"clean_pairs", "labels"}
    assert known["gradient_ascent"] == {"clean_pairs", "labels", "triggered_pairs"}
    assert known["task_vector"] == {"triggered_pairs"}
    poor = plan(CLASSIFIED + 'grants = ["clean_pairs", "triggered_pairs"]')
    skipped = {name[2]: job.skip for name, job in poor.items() if job.skip}
    reason = "needs 'labels', which the matrix does not grant"
    assert skipped == {"finetune": reason, "gradient_ascent": reason}


def test_what_needs_labels_is_skipped_on_captions(plan):
    skipped = {name[2]: job.skip for name, job in plan(CAPTIONED).items() if job.skip}
    assert skipped == {"supervised": "needs 'labels', which the pairs of 'told' do not have"}


def test_the_target_must_be_a_class_of_the_data_that_is_tested(plan):
    with pytest.raises(UserError, match=r"dataset 'digits' has no class 'heart'.*set targets\.digits"):
        plan(CAPTIONED.replace('digits = "three"', 'digits = "heart"'))


def test_the_protocol_counts_from_the_victim_on(plan):
    before, after = plan(CLASSIFIED.replace("classification", "contrastive")), plan(CLASSIFIED)
    trained = {name for name in before if name[1] != "clean"}
    assert not differing(before, after, "pretrained")
    assert differing(before, after, "victim") == trained
    assert differing(before, after, "measured") == set(before)


def test_a_ladder_counts_for_victims_alone_and_a_benign_one_follows_its_attack(plan):
    ladders = [on_ladder(rates) for rates in ("[1e-4, 1e-3]", "[1e-5, 1e-3]")]
    first, second = (plan(table) for table in ladders)
    assert {name[1] for name in differing(first, second, "victim")} == {"poisoned", "benign"}
    assert not differing(first, second, "pretrained")
    fewer = plan(ladders[0] + "poisons = { default = 15 }")
    assert {name[1] for name in differing(first, fewer, "victim")} == {"poisoned", "benign"}
    more = plan(ladders[0] + "sizes = { validation = 50 }")
    assert {name[1] for name in differing(first, more, "victim")} == {"poisoned", "benign"}


def test_captions_count_from_the_victim_on_and_retrieval_where_it_is_measured(plan):
    before = plan(CAPTIONED)
    other = plan(CAPTIONED, {"told": {"seed": 1}})
    assert not differing(before, other, "pretrained")
    assert {name[1] for name in differing(before, other, "victim")} == {"poisoned"}
    asked = plan(CAPTIONED, {"asked": {"seed": 1}})
    assert not differing(before, asked, "defended")
    assert differing(before, asked, "measured") == set(before)
    assert differing(before, plan(CAPTIONED.replace("= 40", "= 50")), "measured") == set(before)


def test_data_options_reach_captions_and_retrieval_and_no_others(plan):
    with pytest.raises(UserError, match="has no dataset 'tld'; did you mean 'told'"):
        plan(CAPTIONED, {"tld": {"seed": 1}})


@pytest.fixture(scope="module")
def classified(once, finished_micro, call):
    """A classification matrix on a ladder whose first rung is too slow, run on the micro matrix's clean model."""

    def make(empty):
        world = finished_micro.copied(empty.home)
        world.matrix("classified", on_ladder("[1e-7, 5e-3]"))
        finished = call(world, "run", "classified.toml")
        assert finished.code == 0, finished.err

    return once("classified", make)


def test_victims_and_defenses_of_the_classification_protocol_keep_the_text_tower(classified):
    from safetensors.torch import load_file

    found = classified.found("classified")
    assert {result.status for result in found.values()} == {"ok"}
    keys = found[POISONED.format("none")].provenance.keys
    clean, victim = (
        load_file(next((classified.store / stage / keys[stage]).rglob("model.safetensors")))
        for stage in ("pretrained", "victim")
    )
    moved = {name for name in clean if not clean[name].equal(victim[name])}
    assert moved and all(name.startswith("visual.") for name in moved)
    trainable = {result.cell.defense: result.cost.trainable_parameters for result in found.values()}
    assert trainable["finetune"] == trainable["task_vector"] == trainable["gradient_ascent"] > 0


def test_the_rungs_of_a_ladder_stand_in_every_result_of_their_victim(classified):
    found = classified.found("classified").values()
    poisoned = [result for result in found if result.cell.victim == "poisoned"]
    ladders = {result.ladder for result in poisoned}
    assert len(ladders) == 1
    (ladder,) = ladders
    assert [rung.learning_rate for rung in ladder] == [1e-7, 5e-3]
    assert not ladder[0].gate.accepted
    for result in poisoned:
        assert result.ladder[-1].gate == result.gate
        assert result.resolved["protocol"]["ladder"] == [1e-7, 5e-3]
        assert result.resolved["protocol"]["kind"] == "classification"
    assert all(not result.ladder for result in found if result.cell.victim != "poisoned")


def test_a_benign_victim_moves_as_fast_as_its_attacks(classified):
    """At the first rung a model does not move; the benign one did, and so was trained at the second."""
    found = {(r.cell.victim, r.cell.defense): r for r in classified.found("classified").values()}
    assert found["benign", "none"].victim != found["clean", "none"].victim


@pytest.fixture(scope="module")
def captioned(once, finished_micro, call):
    """Victims and defenders on captions of shapes, tested on digits, with retrieval on both; the micro clean model."""

    def make(empty):
        world = finished_micro.copied(empty.home)
        world.matrix("captioned", CAPTIONED)
        finished = call(world, "run", "captioned.toml")
        assert finished.code == 0, finished.err
        reported = call(world, "report", "captioned.toml")
        assert reported.code == 0, reported.err

    return once("captioned", make)


def test_a_matrix_on_captions_has_every_cell(captioned):
    found = {(r.cell.victim, r.cell.defense): r.status for r in captioned.found("captioned").values()}
    assert found == {
        ("clean", "none"): "ok",
        ("poisoned", "none"): "ok",
        ("poisoned", "finetune"): "ok",
        ("poisoned", "task_vector"): "ok",
        ("poisoned", "supervised"): "skipped",
    }


def test_retrieval_is_measured_of_the_clean_model_the_victim_and_every_point(captioned):
    for result in captioned.found("captioned").values():
        if result.status == "ok":
            measured = [result.clean_retrieval, result.victim_retrieval, *(p.retrieval for p in result.points)]
            for recalls in measured:
                assert [(recall.dataset, recall.images) for recall in recalls] == [("shapes", 40), ("digits", 40)]
                assert all(recall.texts <= 40 for recall in recalls)
        if (result.cell.victim, result.cell.defense) == ("poisoned", "none"):
            assert result.points[0].retrieval == result.victim_retrieval != result.clean_retrieval


def test_the_board_has_a_column_of_retrieval_where_it_was_measured(captioned, finished_micro):
    board = (captioned.folder("captioned").report / "leaderboard.csv").read_text().splitlines()[0].split(",")
    assert {"retrieval_r1", "retrieval_r5", "retrieval_r10"} <= set(board)
    assert "R@1 (%)" in (captioned.folder("captioned").report / "leaderboard.md").read_text()


def test_results_of_before_retrieval_and_ladders_still_load(finished_micro):
    for result in finished_micro.found().values():
        old = result.model_dump(exclude={"clean_retrieval", "victim_retrieval", "ladder"})
        for point in old["points"]:
            del point["retrieval"]
        assert Result.model_validate(old) == result
