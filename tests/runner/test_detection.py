"""Detectors of a matrix: which victims they meet, what they are given, and what is kept of it."""

import shutil

import pytest
import torch

from benchmark.data.shapes import Shapes
from benchmark.errors import ClipdefenseError, UserError
from benchmark.matrix import load_matrix, with_loose
from benchmark.planning import make_jobs, make_studies
from benchmark.poisoning import poisoned_rows
from benchmark.registry import Registry
from benchmark.separation import separation, unpacked
from benchmark.stages.detection import detect_pairs

DETECTORS = """[
  "dao",
  "clip_score",
  { plugin = "clip_score", label = "clean_judge", parameters = { judge = "reference" } },
  "bdetclip",
  { plugin = "decree_norm", parameters = { shadow = 16, epochs = 2 } },
]"""


def text(detectors=DETECTORS, sizes="detection_pairs = 100", more=""):
    """Changes to the micro matrix: no defenses but the controls, and detectors."""
    return f"""
defenses = ["none"]
grants = ["clean_images", "training_pairs"]
detectors = {detectors}
sizes = {{ {sizes} }}
{more}
"""


LOOSE = """
import torch

class Raises:
    needs = frozenset({"training_pairs"})
    def score(self, model, pairs, context):
        raise ValueError("no nose")

class Infinite:
    needs = frozenset()
    def score(self, model, images, context):
        return torch.full((len(images),), float("inf"))

class Unlike:
    needs = frozenset()
    def score(self, model, context):
        return "high"

class Curious:
    needs = frozenset({"training_pairs", "clean_images"})
    def score(self, model, pairs, context):
        assert pairs.labels is None and pairs.images.dtype == torch.uint8
        assert len(pairs) == 100 and len(context.training_pairs) == 128 and len(context.clean_images) == 64
        model.module.logit_scale.data.zero_()
        return torch.tensor([float("heart" in caption) for caption in pairs.captions])

class Speechless:
    needs = frozenset()
    def score(self, model, samples):
        return 0.0

class Greedy:
    needs = frozenset({"everything"})
    def score(self, model, context):
        return 0.0
"""


def watched(world, plugins=(), **changes):
    """The studies of the watched matrix by (detector, attack, victim, seed)."""
    registry = Registry(f"loose.py:{name}" for name in plugins)
    matrix = with_loose(load_matrix(world.matrix("watched", text(**changes))), registry)
    studies = make_studies(matrix, registry, make_jobs(matrix, registry))
    return {(s.id.name, s.id.attack, s.id.victim, s.id.seed): s for s in studies}


@pytest.fixture(scope="module")
def finished(finished_micro, once, call):
    """The watched matrix, run over the victims of the micro matrix."""

    def make(empty):
        finished_micro.copied(empty.home)
        empty.matrix("watched", text())
        ended = call(empty, "run", "watched.toml")
        assert ended.code == 0, ended.err

    return once("watched", make)


@pytest.fixture
def findings(finished):
    folder = finished.folder("watched")
    found = {}
    for planned in folder.plan().studies:
        study = planned.study
        found[study.name, study.attack, study.victim, study.seed] = folder.findings.read(planned.key)
    return found


def test_every_detector_meets_every_victim_that_it_can(findings):
    poisoned = [("badnets", "poisoned", 0), ("blended", "poisoned", 0)]
    benign = ("badnets", "benign", 0)
    expected = {(name, *place): "ok" for name in ("dao", "clip_score", "bdetclip", "decree_norm") for place in poisoned}
    expected |= {("clean_judge", *place): "skipped" for place in (*poisoned, benign)}
    expected |= {(name, *benign): "skipped" for name in ("dao", "clip_score")}
    expected |= {("bdetclip", *benign): "ok", ("decree_norm", *benign): "ok"}
    expected |= {("decree_norm", "badnets", "benign", 1): "ok"}
    assert {place: finding.status for place, finding in findings.items()} == expected
    assert findings["clean_judge", *poisoned[0]].reason == "needs 'reference_model', which the matrix does not grant"
    assert findings["dao", *benign].reason == "its training pairs hold no poison to be found"


def test_what_should_be_found_is_exactly_what_was_poisoned(finished, findings, monkeypatch):
    monkeypatch.chdir(finished.home)
    for attack in ("badnets", "blended"):
        study = watched(finished)["dao", attack, "poisoned", 0]
        drawn = torch.randperm(128, generator=torch.Generator().manual_seed(study.job.seeds["pairs"]))[:100]
        rows = poisoned_rows(16, 128, study.job.seeds["victim"])
        values = findings["dao", attack, "poisoned", 0].values
        assert values["positives"] == int(torch.isin(drawn, rows).sum()) > 0
        assert (values["samples"], values["base_rate"]) == (100, values["positives"] / 100)
        assert findings["clip_score", attack, "poisoned", 0].values["positives"] == values["positives"]


def test_kept_scores_give_the_metrics_again(findings):
    for place, finding in findings.items():
        if finding.status == "ok" and place[0] != "decree_norm":
            found = {name: unpacked(text) for name, text in finding.values["scores"].items()}
            again = separation(found["suspicious"], found["others"])
            assert {name: finding.values[name] for name in again} == pytest.approx(again, abs=1e-6)
            assert len(found["suspicious"]) == finding.values["positives"]


def test_images_have_a_threshold_from_clean_validation_images(findings):
    values = findings["bdetclip", "badnets", "poisoned", 0].values
    found = {name: unpacked(text) for name, text in values["scores"].items()}
    assert values["true_positive_rate"] == pytest.approx((found["suspicious"] > values["threshold"]).mean(), abs=0.02)
    assert values["false_positive_rate"] == pytest.approx((found["others"] > values["threshold"]).mean(), abs=0.02)
    assert len(found["others"]) == 60 and len(found["suspicious"]) < 60


def test_models_meet_as_many_benign_ones_with_seeds_of_their_own(finished, findings, monkeypatch):
    scores = {place: finding.values["score"] for place, finding in findings.items() if place[0] == "decree_norm"}
    assert len(set(scores.values())) == 4 and all(-1 <= score <= 0 for score in scores.values())
    monkeypatch.chdir(finished.home)
    planned = watched(finished)
    victims = {place: study.keys["victim"] for place, study in planned.items() if place[0] == "decree_norm"}
    assert len(set(victims.values())) == 4
    cells = finished.folder().plan().cells
    benign = next(p.keys["victim"] for p in cells if p.cell.victim == "benign")
    assert victims["decree_norm", "badnets", "benign", 0] == benign


def test_a_finding_says_what_it_is_and_where_it_comes_from(findings):
    found = findings["dao", "badnets", "poisoned", 0]
    assert found.resolved["detector"] == {"plugin": "defenses.dao:Dao", "k": 16, "batch_size": 2048}
    assert (found.resolved["scored"], found.resolved["needs"]) == ("pairs", ["training_pairs"])
    assert found.provenance.keys.keys() == {"pretrained", "victim", "detection"}
    assert found.provenance.plugins.keys() == {"attack", "detector", "dataset"}
    assert found.seconds > 0


def test_a_second_run_computes_nothing(finished, tmp_path, call, monkeypatch):
    again = finished.copied(tmp_path)
    again.matrix("watched", text())

    def refuse(study, laboratory):
        raise AssertionError(f"computes {study.id.text} again")

    monkeypatch.setattr("benchmark.runner.compute", refuse)
    files = again.folder("watched").findings.files
    before = {path.name for path in files.iterdir()}
    assert call(again, "run", "watched.toml").code == 0
    shutil.rmtree(files)
    assert call(again, "run", "watched.toml").code == 0
    assert {path.name for path in files.iterdir()} == before


OF_PAIRS = {"dao", "clip_score", "clean_judge"}


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ({"sizes": "detection_pairs = 90"}, OF_PAIRS),
        ({"sizes": "detection_pairs = 100, test = 50"}, {"bdetclip"}),
        ({"sizes": "detection_pairs = 100, validation = 50"}, {"bdetclip"}),
        ({"more": 'precision = "bfloat16"'}, OF_PAIRS | {"bdetclip", "decree_norm"}),
        ({"detectors": DETECTORS.replace('"dao"', '{ plugin = "dao", parameters = { k = 4 } }')}, {"dao"}),
        ({"detectors": '["dao", "bdetclip"]'}, set()),
        ({"more": 'summary = "Another"'}, set()),
    ],
)
def test_a_key_depends_on_what_is_scored(world, change, changed):
    before, after = watched(world), watched(world, **change)
    assert {place[0] for place in after if after[place].key != before[place].key} == changed


def test_failures_are_findings_with_a_sentence_and_the_run_goes_on(finished, tmp_path, call):
    again = finished.copied(tmp_path)
    again.matrix("watched", text())
    again.write("loose.py", LOOSE)
    names = ("Raises", "Infinite", "Unlike", "Curious")
    ended = call(again, "run", "watched.toml", *(f"--plugin=loose.py:{name}" for name in names))
    assert ended.code == 0, ended.err
    folder, reasons = again.folder("watched"), {}
    for planned in folder.plan().studies:
        if planned.study.victim == "poisoned" and planned.study.attack == "badnets":
            finding = folder.findings.read(planned.key)
            reasons[planned.study.name] = (finding.status, finding.reason)
    assert reasons["raises"] == ("failed", "detector 'raises' raised ValueError: no nose")
    assert reasons["infinite"] == ("failed", "detector 'infinite': score() returned numbers that are not finite")
    assert reasons["unlike"] == ("failed", "detector 'unlike': score() must return a finite number, got 'high'")
    assert reasons["curious"][0] == "ok"
    assert reasons["dao"][0] == "ok"


def test_a_detector_gets_a_copy_of_the_victim(finished, tmp_path, call):
    """The curious one ruins its copy; the temperature that another one reads afterwards is the victim's own."""
    again = finished.copied(tmp_path)
    again.matrix("watched", text())
    again.write("loose.py", LOOSE.replace('return "high"', "return float(model.logit_scale.detach())"))
    ended = call(again, "run", "watched.toml", "--plugin=loose.py:Curious", "--plugin=loose.py:Unlike")
    assert ended.code == 0, ended.err
    folder = again.folder("watched")
    scores = [
        folder.findings.read(planned.key).values["score"]
        for planned in folder.plan().studies
        if planned.study.name == "unlike"
    ]
    assert len(scores) == 4 and min(scores) > 1.5


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ('detectors = ["doa"]', "no detector named 'doa'; did you mean 'dao'"),
        ('detectors = ["dao", "dao"]', "'dao' stands twice in detectors"),
        ('detectors = [{ plugin = "dao", parameters = { kay = 3 } }]', "no parameter 'kay'"),
        ("sizes = { detection_pairs = 1 }", "sizes.detection_pairs"),
    ],
)
def test_mistakes_in_a_matrix_are_named(world, change, sentence):
    registry = Registry()

    def planned():
        matrix = load_matrix(world.matrix("wrong", change))
        return make_studies(matrix, registry, make_jobs(matrix, registry))

    with pytest.raises(UserError, match=sentence):
        planned()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Speechless", r"detector 'Speechless' has score\(model, samples\); write score\(model, pairs, context\)"),
        ("Greedy", "detector 'greedy' needs 'everything'"),
    ],
)
def test_a_detector_that_nobody_can_call_is_refused_at_once(world, name, sentence):
    world.write("loose.py", LOOSE)
    with pytest.raises(UserError, match=sentence):
        watched(world, plugins=[name])


def test_pairs_without_poison_among_them_are_a_failure_with_a_remedy():
    pairs = Shapes().load("train", 8, 32)
    with pytest.raises(ClipdefenseError, match=r"none of the 8 pairs .* is poisoned; raise sizes.detection_pairs"):
        detect_pairs("dao", None, None, pairs, pairs, None)
