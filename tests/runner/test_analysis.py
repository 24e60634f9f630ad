"""Stage 5 of a matrix: what is found of every victim, on what it depends, and that it is found once."""

import numpy as np
import pytest

from benchmark.matrix import load_matrix
from benchmark.planning import make_jobs, make_studies
from benchmark.registry import Registry
from benchmark.thumbnails import unpacked

ANALYSED = "[analysis]\nenabled = true\ngrid = 3\nimages = 24\nbudgets = [8, 32]\nthumbnails = 1"
PLANES = {"disentanglement", "disentanglement_backdoor", "disentanglement_victim"}
STUDIES = {*PLANES, "vectors", "data_budget", "thumbnails"}


@pytest.fixture(scope="module")
def analysed(once, call, finished_micro):
    """The micro matrix with all its analyses, run once."""

    def make(empty):
        world = finished_micro.copied(empty.home)
        world.matrix("analysed", ANALYSED)
        finished = call(world, "run", "analysed.toml")
        assert finished.code == 0, finished.err

    return once("analysed", make)


@pytest.fixture(scope="module")
def found(analysed):
    """Findings by attack and name."""
    folder = analysed.folder("analysed")
    findings = [folder.findings.read(planned.key) for planned in folder.plan().studies]
    return {(finding.study.attack, finding.study.name): finding for finding in findings}


def test_every_poisoned_victim_is_analysed(found):
    assert set(found) == {(attack, name) for attack in ("badnets", "blended") for name in STUDIES}
    assert {finding.status for finding in found.values()} == {"ok"}, {f.reason for f in found.values()}


def test_errors_are_zero_on_their_axes_and_shares_elsewhere(found):
    for (_, name), finding in found.items():
        if name in PLANES:
            first, second = np.array(finding.values["xi_clean"]), np.array(finding.values["xi_trigger"])
            assert first.shape == second.shape == (3, 3)
            assert not first[:, 1].any() and not second[1].any()
            assert min(first.min(), second.min()) >= 0 and max(first.max(), second.max()) <= 1
            assert (finding.values["images"], finding.values["split"]) == (24, "test")


def test_the_middle_of_a_plane_is_its_origin(found, analysed):
    """Around the victim its own rates, around the clean model those; measured on the same images, so no rounding."""
    for attack in ("badnets", "blended"):
        grids = {name: found[attack, name].values for name in PLANES}
        clean = [grids[name]["clean_accuracy"][1][1] for name in ("disentanglement", "disentanglement_backdoor")]
        assert clean[0] == clean[1]
        assert grids["disentanglement"]["parameters"] > grids["disentanglement"]["vision_parameters"] > 10_000


def test_vectors_have_lengths_and_angles(found):
    for attack in ("badnets", "blended"):
        values = found[attack, "vectors"].values
        for part in ("both", "vision"):
            norms, cosines = values[part]["norms"], values[part]["cosines"]
            assert set(norms) == {"trigger", "backdoor", "poisoning", "clean_task", "trigger_task", "finetuning"}
            assert all(length > 0 for length in norms.values())
            assert all(cosines[name][name] == pytest.approx(1.0, abs=1e-4) for name in norms)
            assert all(-1.0001 <= cosine <= 1.0001 for row in cosines.values() for cosine in row.values())
        whole = values["both"]["norms"]
        assert whole["poisoning"] <= whole["backdoor"] + whole["clean_task"] + 1e-3
        assert values["vision"]["norms"]["trigger"] == pytest.approx(whole["trigger"])


def test_each_budget_is_a_cell_of_that_size(found, analysed):
    for attack in ("badnets", "blended"):
        rows = found[attack, "data_budget"].values["rows"]
        assert [(row["method"], row["pairs"]) for row in rows] == [
            *[("negation", 8), ("negation", 32)],
            *[("finetune", 8), ("finetune", 32)],
        ]
        assert all(0 <= row["attack_success_rate"] <= 1 and row["clean_accuracy"] > 0 for row in rows)
        whole = analysed.found("analysed")[f"tiny-resnet / shapes / {attack} / task_vector <given> / seed 0"]
        picked = whole.victim if whole.picks.blind < 0 else whole.points[whole.picks.blind].test
        assert rows[1]["attack_success_rate"] == picked.attack_success_rate
        assert rows[1]["clean_accuracy"] == picked.clean_accuracy
        assert rows[1]["optimiser_steps"] == whole.cost.optimiser_steps


def test_thumbnails_carry_the_trigger(found):
    for attack in ("badnets", "blended"):
        [image] = found[attack, "thumbnails"].values["images"]
        clean, triggered = unpacked(image["clean"]), unpacked(image["triggered"])
        assert clean.shape == triggered.shape == (32, 32, 3)
        assert (clean != triggered).any()
        assert image["class"] != "heart"
        assert 5 < found[attack, "thumbnails"].values["signal_to_noise"] < 60


def test_a_second_run_finds_nothing_new(analysed, call, monkeypatch):
    def refuse(*arguments):
        raise AssertionError("computes again")

    monkeypatch.setattr("benchmark.runner.compute", refuse)
    monkeypatch.setattr("benchmark.cells.Laboratory.compute", refuse)
    finished = call(analysed, "run", "analysed.toml")
    assert (finished.code, finished.out.splitlines()) == (0, ["26 ok in runs/analysed"])


def test_a_run_with_findings_has_its_figures(analysed):
    from reports.api import write_figures

    names = {path.name for path in write_figures(analysed.folder("analysed"))}
    assert {f"{name}.{kind}" for name in STUDIES - {"vectors", "thumbnails"} for kind in ("pdf", "png", "csv")} < names
    assert {"cosines.png", "contact.png"} < names
    assert "capacity.png" not in names


@pytest.fixture
def keys(world):
    """Keys of studies by attack and name, and of all cells."""

    def read(changes="", analysis=ANALYSED):
        matrix = load_matrix(world.matrix("keyed", f"{changes}\n{analysis}"))
        registry = Registry()
        jobs = make_jobs(matrix, registry)
        studies = make_studies(matrix, registry, jobs)
        assert len({study.key for study in studies}) == len(studies)
        return {(s.id.attack, s.id.name): s.key for s in studies}, [job.key for job in jobs]

    return read


def changed(before, after):
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}


def names_of(found):
    return {name for _, name in found}


def test_nothing_is_analysed_unless_it_is_asked_for(keys):
    assert keys(analysis="")[0] == {}
    assert keys(analysis="")[1] == keys()[1]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("grid = 3", "grid = 5", PLANES),
        ("images = 24", "images = 25", {*PLANES, "thumbnails"}),
        ("grid = 3", "grid = 3\nextent = 1.5", PLANES),
        ("[8, 32]", "[8, 33]", {"data_budget"}),
        ("thumbnails = 1", "thumbnails = 2", {"thumbnails"}),
    ],
)
def test_a_setting_counts_for_what_it_sets(keys, old, new, expected):
    (before, cells), (after, same_cells) = keys(), keys(analysis=ANALYSED.replace(old, new))
    assert changed(before, after) == {(attack, name) for attack, name in before if name in expected}
    assert cells == same_cells


def defenses(epochs, share):
    return (
        f'defenses = [{{ plugin = "finetune", parameters = {{ epochs = {epochs} }} }}, "task_vector", '
        f'{{ plugin = "pruning", parameters = {{ share_max = {share} }} }}]'
    )


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ('summary = "One"', 'summary = "Another"', set()),
        ("budget = 2.0", "budget = 3.0", {"data_budget"}),
        (defenses(1, 0.5), defenses(1, 0.6), set()),
        (defenses(1, 0.5), defenses(2, 0.5), {"disentanglement_victim", "vectors", "data_budget"}),
        ("protocol = { epochs = 2 }", "protocol = { epochs = 3 }", STUDIES - {"thumbnails"}),
        ("sizes = { test = 60 }", "sizes = { test = 50 }", {*PLANES, "data_budget"}),
        ('general = ["digits"]', "general = []", set()),
    ],
)
def test_a_study_depends_on_its_victim_and_the_defenses_it_uses(keys, one, other, expected):
    assert names_of(changed(keys(one)[0], keys(other)[0])) == expected


def test_one_attacks_poison_is_no_matter_of_another(keys):
    before, after = keys("poisons = { blended = 16 }")[0], keys("poisons = { blended = 17 }")[0]
    assert {attack for attack, _ in changed(before, after)} == {"blended"}


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("grid = 0", STUDIES - PLANES),
        ("budgets = []", STUDIES - {"data_budget"}),
        ("thumbnails = 0", STUDIES - {"thumbnails"}),
    ],
)
def test_parts_can_be_left_out(keys, setting, expected):
    rest = [line for line in ANALYSED.splitlines() if line.split()[0] != setting.split()[0]]
    assert names_of(keys(analysis="\n".join([*rest, setting]))[0]) == expected


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("grid = 4", "odd number of points"),
        ("budgets = [65]", "go beyond the defender's 64 clean_pairs"),
        ("budgets = [8, 4]", "budgets must increase"),
        ("gird = 3", "did you mean 'grid'?"),
    ],
)
def test_a_wrong_setting_is_refused_in_a_sentence(world, clipdefense, setting, said):
    world.matrix("wrong", f"[analysis]\nenabled = true\nbudgets = [8]\n{setting}".replace("budgets = [8]\nb", "b"))
    finished = clipdefense("plan", "wrong.toml")
    assert finished.code == 2
    assert said in finished.err


def test_studies_without_their_defense_are_skipped_with_a_reason(world, clipdefense):
    world.matrix("bare", f'defenses = ["pruning"]\n{ANALYSED}')
    planned = clipdefense("plan", "bare.toml").out
    assert planned.count("skipped: takes a vector from defense 'task_vector', which the matrix lacks") == 6


def test_studies_of_what_is_not_granted_are_skipped_with_a_reason(world, clipdefense):
    world.matrix("strict", f'grants = ["clean_pairs", "clean_images"]\n{ANALYSED}')
    planned = clipdefense("plan", "strict.toml").out
    assert planned.count("skipped: defense 'task_vector' needs 'triggered_pairs', which the matrix does not grant") == 6


def test_an_imported_victim_has_no_twin_to_be_compared_with(world, clipdefense):
    world.write("suspect.safetensors", "not read by a plan")
    imported = '[[imported]]\ncheckpoint = "suspect.safetensors"\nattack = "badnets"\n'
    world.matrix("imports", f"{ANALYSED}\n{imported}")
    lines = [line for line in clipdefense("plan", "imports.toml").out.splitlines() if "/ analysis" in line]
    reason = "skipped: needs a benign twin, and how the imported victim was trained is not known"
    assert {
        line.split("analysis ")[1].split(" /")[0] for line in lines if reason in line and "/ badnets /" in line
    } == {
        "disentanglement",
        "disentanglement_backdoor",
        "vectors",
    }
    assert not [line for line in lines if reason in line and "/ blended /" in line]


def test_a_plan_counts_benign_twins_among_the_victims(world, clipdefense):
    world.matrix("twins", f'benign = ""\n{ANALYSED}')
    planned = clipdefense("plan", "twins.toml").out
    [line] = [line.split() for line in planned.splitlines() if line.startswith("victim ") and len(line.split()) == 4]
    assert line == ["victim", "3", "0", "3"]
    assert not [line for line in planned.splitlines() if line.startswith("benign ")]
