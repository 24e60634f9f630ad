"""Victims from files in a matrix: the same numbers as the trained ones, behind the sanity gate."""

import pytest

IMPORTED = """
attacks = ["badnets"]
benign = ""

[[imported]]
checkpoint = "{file}"
attack = "badnets"
{more}
"""
WRONG = {
    "attack = 'badnet'": "imported: attack 'badnet' is not in the matrix; did you mean 'badnets'?",
    "attack = 'badnets'\nmodel = 'tiny-vit'": "imported: model 'tiny-vit' is not in the matrix; did you mean 'tiny-",
    "attack = 'badnets'\nseed = 3": "imported: seed '3' is not in the matrix; known: 0",
    "attack = 'badnets'\ndataset = 'digits'": "imported: dataset 'digits' is not in the matrix; known: shapes",
    "attack = 'badnets'\nexpect = {}": "unknown key 'imported.0.expect'; did you mean 'expected'?",
    "attack = 'badnets'\nexpected = { accuracy = [0, 1] }": "expected.accuracy'; did you mean 'clean_accuracy'?",
    "attack = 'badnets'\nexpected = { clean_accuracy = [0.9, 0.1] }": "write [lowest, highest], both in [0, 1]",
    "attack = 'badnets'\nexpected = { clean_accuracy = 0.9 }": "imported.0.expected.clean_accuracy: ",
    "seed = 0": "imported.0.attack: ",
    "attack = 'badnets'\n[[imported]]\ncheckpoint = 'x'\nattack = 'badnets'": "two checkpoints stand for the same",
    "attack = 'badnets'": "matrix 'wrong': there is no checkpoint file 'nowhere.pt' to import",
}


NONE = ("--only", "defense=none")


@pytest.fixture
def imported(micro, clipdefense):
    """Exports the micro matrix's victim into a folder and runs a matrix beside it that imports it."""

    def run(more="", model="badnets", name="imported", only=()):
        (micro.home / "far").mkdir(exist_ok=True)
        choice = ("--only", f"attack={model}", "--only", "victim=poisoned", "--out", "far/victim.safetensors")
        assert clipdefense("export-model", "micro.toml", "--what", "victim", "--force", *choice).code == 0
        micro.matrix(f"far/{name}", IMPORTED.format(file="victim.safetensors", more=more))
        (micro.home / "far" / "base.toml").write_text((micro.home / "base.toml").read_text())
        return clipdefense("run", f"far/{name}.toml", *only)

    return run


def test_an_imported_victim_measures_like_the_trained_one(micro, imported):
    finished = imported()
    assert finished.code == 0, finished.err
    trained, found = micro.found(), micro.found("imported")
    assert len(found) == 5
    for text, result in found.items():
        assert result.status == "ok"
        same = trained[text]
        assert result.victim == same.victim
        assert result.victim_validation == same.victim_validation
        assert result.gate == same.gate
        assert [point.test for point in result.points] == [point.test for point in same.points]
    victim = found["tiny-resnet / shapes / badnets / none / seed 0"]
    assert victim.resolved["imported"]["file"] == "victim.safetensors"
    assert "poisons" not in victim.resolved
    assert "imported" not in found["tiny-resnet / shapes / badnets [clean] / none / seed 0"].resolved
    assert not (micro.store / "victim" / victim.provenance.keys["victim"]).exists(), "the file was copied"


def test_another_file_is_another_victim(micro, imported, call):
    imported(only=NONE)
    assert call(micro, "run", "far/imported.toml", *NONE).out.splitlines() == ["2 ok in runs/imported"]
    before = {planned.cell.text: planned.keys for planned in micro.folder("imported").plan().cells}
    imported(model="blended", only=NONE)
    after = {planned.cell.text: planned.keys for planned in micro.folder("imported").plan().cells}
    changed = {text for text in before if before[text]["victim"] != after[text]["victim"]}
    assert changed == {text for text in before if "[clean]" not in text}


def test_a_victim_outside_of_its_range_is_refused_with_the_numbers(micro, imported):
    finished = imported("expected = { clean_accuracy = [0.99, 1], attack_success_rate = [0.95, 1] }", name="refused")
    assert finished.out.splitlines()[-1] == "4 failed, 1 ok in runs/refused"
    found = micro.found("refused")
    for text, result in found.items():
        assert result.status == ("ok" if "[clean]" in text else "failed")
    validation = micro.found()["tiny-resnet / shapes / badnets / none / seed 0"].victim_validation
    assert found["tiny-resnet / shapes / badnets / pruning / seed 0"].reason == (
        "the imported victim 'victim.safetensors' is refused: "
        f"clean accuracy {validation.clean_accuracy:.3f} is outside of the expected 0.99 to 1; "
        f"attack success {validation.attack_success_rate:.3f} is outside of the expected 0.95 to 1"
    )
    mended = "expected = { clean_accuracy = [0, 1], attack_success_rate = [0, 1] }"
    assert imported(mended, name="refused", only=NONE).out.splitlines()[-1] == "2 ok in runs/refused"


@pytest.mark.parametrize("rows", WRONG)
def test_a_wrong_import_ends_in_a_sentence(world, clipdefense, rows):
    world.matrix("wrong", f"[[imported]]\ncheckpoint = 'nowhere.pt'\n{rows}")
    finished = clipdefense("run", "wrong.toml")
    assert (finished.code, finished.out) == (2, "")
    assert WRONG[rows] in finished.err
    assert len(finished.err.splitlines()) == 1


def test_a_file_that_is_no_victim_of_the_model_ends_in_a_sentence(micro, imported, clipdefense):
    imported(only=NONE)
    (micro.home / "far" / "victim.safetensors").write_bytes(b"<html>")
    finished = clipdefense("run", "far/imported.toml")
    assert finished.code == 2
    assert "far/victim.safetensors' is an HTML page instead of data" in finished.err
    assert len(finished.err.splitlines()) == 1


def test_training_pairs_of_an_imported_victim_are_unknown(micro, imported, clipdefense):
    micro.write(
        "curious.py", "class Curious:\n    needs = frozenset({'training_pairs'})\n    def __call__(self, m, c): ..."
    )
    imported(only=NONE)
    text = (micro.home / "far" / "imported.toml").read_text()
    (micro.home / "far" / "imported.toml").write_text('grants = ["training_pairs", "clean_pairs"]\n' + text)
    plugin = ("--plugin", "curious.py:Curious")
    assert clipdefense("plan", "far/imported.toml", *plugin).out.count("an imported victim does not bring") == 1
