"""Every mistake of a user ends in one sentence that names the thing and the remedy, and in exit code 2."""

import warnings

import pytest

from benchmark import checkpoints

PLUGINS = """
class Good:
    needs = frozenset()
    def __call__(self, model, context):
        yield 0.0, model

class Pruning(Good):
    pass

class Wishful(Good):
    needs = frozenset({"clean_pair"})

class Wordy(Good):
    needs = "clean_pairs"

class Needless(Good):
    needs = None

class Picky(Good):
    def __init__(self):
        raise ValueError("not today")

class Demanding(Good):
    def __init__(self, *, strength):
        self.strength = strength

class Neither:
    pass

class Aimless:
    def trigger(self, images, ids):
        return images

class Moody(Aimless):
    @property
    def target(self):
        raise RuntimeError("who knows")
"""
MATRICES = {
    'models = ["tiny-resnt"]': "no model named 'tiny-resnt'; did you mean 'tiny-resnet'?",
    'models = ["ViT-B-32@nowhere.pt"]': "model 'ViT-B-32@nowhere.pt': there is no checkpoint file 'nowhere.pt'",
    'attacks = ["badnet"]\nbenign = ""': "no attack named 'badnet'; did you mean 'badnets'?",
    'defenses = ["prunning"]': "no defense named 'prunning'; did you mean 'pruning'?",
    'datasets = ["shaps"]': "no dataset named 'shaps'; did you mean 'shapes'?",
    'general = ["digit"]': "no dataset named 'digit'; did you mean 'digits'?",
    'sources = ["decre"]': "no inverter named 'decre'",
    'atacks = ["badnets"]': "unknown key 'atacks'; did you mean 'attacks'?",
    "sizes = { tests = 5 }": "unknown key 'sizes.tests'; did you mean 'test'?",
    "protocol = { epoch = 5 }": "unknown key 'protocol.epoch'; did you mean 'epochs'?",
    'attacks = [{ plugin = "badnets", parameter = {} }]': "key 'attacks.0.parameter'; did you mean 'parameters'?",
    'models = ["ViT-B-32/opena"]': "open_clip has no weights 'opena' for 'ViT-B-32'; did you mean 'openai'?",
    'models = ["ViT-B-322@base.toml"]': "open_clip has no architecture 'ViT-B-322'; did you mean 'ViT-B-32'?",
    'models = ["tiny-resnet", "tiny-resnet"]': "'tiny-resnet' stands twice in models; leave one out",
    "seeds = [0, 0]": "'0' stands twice in seeds; leave one out",
    "sources = []": "sources: ",
    "poisons = { default = -1 }": "poisons.default: ",
    "poisons = { badnet = 5 }": "poisons.badnet names nothing here; did you mean 'badnets'?",
    'targets = { shaps = "heart" }': "targets.shaps names nothing here; did you mean 'shapes'?",
    "pretraining = { pairs = { shapes = -1 } }": "pretraining.pairs.shapes: ",
    "pretraining = { repeats = { shaps = 2 } }": "pretraining.repeats.shaps names nothing here; did you mean 'shapes'?",
    'datasets = ["labelled"]': "dataset 'labelled' has no path; set it to a folder, or to OWNER/NAME on the hub",
    'general = [{ plugin = "labelled", parameters = { path = "x", geometry = "stretch" } }]': (
        "dataset 'labelled', parameter 'geometry' = 'stretch': "
    ),
    'general = [{ plugin = "labelled", parameters = { path = "x", template = "a thing" } }]': (
        "dataset 'labelled': template 'a thing' must have one '{}', where the class name goes"
    ),
    "imported = 3": "imported: ",
    "models = []": "models: ",
    "seeds = []": "seeds: ",
    'models = "tiny-resnet"': "models: ",
    "datasets = [3]": "datasets.0",
    'budget = "two"': "budget: ",
    "budget = 0": "budget: ",
    "seeds = [1.5]": "seeds.0: ",
    'precision = "float8"': "precision: ",
    "sizes = { test = 1 }": "sizes.test: ",
    "sizes = { triggered_pairs = 65 }": "65 triggered_pairs are stamped from 64 clean_pairs",
    "poisons = { blended = 129 }": "129 poisons do not fit into 128 training pairs",
    'grants = ["clean_pair"]': "no resource named 'clean_pair'; did you mean 'clean_pairs'?",
    'attacks = ["badnets", "badnets"]': "'badnets' stands twice in attacks; give one of them a label",
    'benign = "badnet"': "benign = 'badnet' is none of the attacks; did you mean 'badnets'?",
    'held_out = ["blend"]': "held_out names 'blend', none of the attacks; did you mean 'blended'?",
    'held_out = ["blended", "badnets"]': "held_out names every attack; leave one to tune on",
    "rebound = -1": "rebound: ",
    'targets = { shapes = "hart" }': "no class 'hart', the target of attack 'badnets'; set targets.shapes to",
    'attacks = [{ plugin = "badnets", parameters = { sides = 0.1 } }]': (
        "attack 'badnets' has no parameter 'sides'; did you mean 'side'?"
    ),
    'attacks = [{ plugin = "badnets", parameters = { side = "wide" } }]': "'badnets', parameter 'side' = 'wide': ",
    'defenses = [{ plugin = "finetune", parameters = { epochs = 2.5 } }]': (
        "defense 'finetune', parameter 'epochs' = 2.5: "
    ),
    'defenses = [{ plugin = "task_vector", parameters = { loss = "l2" } }]': "parameter 'loss' = 'l2': ",
    "models = [": "is not valid TOML",
}
COMMANDS = {
    "run quik": "no matrix named 'quik' and no such file; did you mean 'quick'?",
    "run nowhere.toml": "no matrix named 'nowhere.toml' and no such file",
    "run micro.toml --plugin nowhere.py:Good": "plugin 'nowhere.py:Good': write it as path/to/file.py:Class",
    "run micro.toml --plugin plugins.py": "plugin 'plugins.py': write it as path/to/file.py:Class",
    "run micro.toml --plugin plugins.py:Goood": "no class named 'Goood'; did you mean 'Good'?",
    "run micro.toml --plugin raising.py:Good": "the file raises RuntimeError: on import",
    "run micro.toml --plugin wrong.py:Good": "the file raises SyntaxError",
    "run micro.toml --plugin plugins.py:Neither": "class 'Neither' is no plugin: an attack has 'trigger', a defense",
    "run micro.toml --plugin plugins.py:Pruning": "two plugins are named 'pruning': 'plugins.py:Pruning' and",
    "run micro.toml --plugin plugins.py:Wishful": "'wishful' needs 'clean_pair'; did you mean 'clean_pairs'?",
    "run micro.toml --plugin plugins.py:Wordy": "defense 'wordy': needs is 'clean_pairs'",
    "run micro.toml --plugin plugins.py:Needless": "defense 'needless': needs is None",
    "run micro.toml --plugin plugins.py:Picky": "defense 'picky' cannot be built: ValueError: not today",
    "run micro.toml --plugin plugins.py:Demanding": "defense 'demanding', parameter 'strength'",
    "run micro.toml --plugin plugins.py:Aimless": "attack 'aimless' has no 'target'",
    "run micro.toml --only defence=none": "--only defence=none: write dimension=value with one of model, dataset,",
    "run micro.toml --only none": "--only none: write dimension=value",
    "run micro.toml --only defense=nothing": "--only defense=nothing: this matrix has no defense 'nothing'; it has",
    "run micro.toml --data cifar=micro.toml": "matrix 'micro' has no dataset 'cifar'; known: shapes",
    "run micro.toml --data shapes": "--data shapes: write DATASET=PATH or DATASET.option=value",
    "run micro.toml --data shapes=nowhere": "--data shapes=nowhere: there is no file or folder 'nowhere'",
    "run micro.toml --data shapes=micro.toml": "dataset 'shapes' has no parameter 'path'",
    "run micro.toml --data shapes.sed=3": "dataset 'shapes' has no parameter 'sed'; did you mean 'seed'?",
    "run micro.toml --data shapes.seed=many": "dataset 'shapes', parameter 'seed' = 'many': ",
    "run micro.toml --device cuda:7": "device 'cuda:7' is not here (",
    "run micro.toml --device warp": "no device named 'warp'; use auto, cpu or cuda:0",
    "run micro.toml --retry all": "--retry all: only 'failed' can be retried",
    "run micro.toml --store raising.py": "the store 'raising.py' cannot be made: ",
    "run micro.toml --store raising.py/deep": "the store 'raising.py/deep' cannot be made: ",
    "plan quik": "no matrix named 'quik'",
    "status micro.toml": "there is no run in 'runs/micro'; start one with 'clipdefense run micro'",
    "report micro.toml": "there is no run in 'runs/micro'; start one with 'clipdefense run micro'",
    "report micro --published": "no published results named 'micro'; ",
    "figures micro.toml": "there is no run in 'runs/micro'; start one with 'clipdefense run micro'",
    "figures micro.toml --style poster": "no figure style named 'poster'; known: paper, slides",
    "verify micro.toml": "there is no run in 'runs/micro'; start one with 'clipdefense run micro'",
    "export-results micro.toml x.zip": "there is no run in 'runs/micro'; start one with 'clipdefense run micro'",
    "diff micro other": "there is no run 'micro', neither as a folder nor in 'runs'; name a run folder",
    "new defence my_method": "there is no template for 'defence'; did you mean 'defense'?",
    "new defense pruning": "'pruning' is the name of an installed defense; choose another",
    "new attack My-Attack": "'My-Attack' cannot name a plugin; write words of two letters or more, like my_method",
    "new attack a_b": "'a_b' cannot name a plugin; write words of two letters or more",
    "new attack true": "'true' cannot name a plugin; write words of two letters or more",
    "new attack ../up": "'../up' cannot name a plugin; write words of two letters or more",
    "new defense plugins": "'plugins.py' exists already; choose another name or --dir",
    "new defense my_method --dir raising.py": "cannot write 'raising.py/my_method.py': ",
    "show prunin": "no plugin named 'prunin'; did you mean 'pruning'?",
    "check prunin": "no plugin named 'prunin'; did you mean 'pruning'?",
    "pretrain tiny-resnt --matrix micro.toml": "no model named 'tiny-resnt'; did you mean 'tiny-resnet'?",
    "store prune --runs nowhere": "there is no plan in 'nowhere'",
}


def is_one_sentence(finished, code=2):
    assert finished.code == code, finished.err
    assert finished.out == ""
    assert "Traceback" not in finished.err
    assert "Error:" not in finished.err or "raises" in finished.err or "cannot be built" in finished.err
    assert len(finished.err.splitlines()) == 1
    return True


@pytest.mark.parametrize("changes", MATRICES)
def test_a_wrong_matrix(world, clipdefense, changes):
    world.matrix("wrong", changes)
    finished = clipdefense("run", "wrong.toml")
    assert is_one_sentence(finished)
    assert MATRICES[changes] in finished.err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_wrong_command(world, clipdefense, command):
    world.write("plugins.py", PLUGINS)
    world.write("raising.py", 'raise RuntimeError("on import")')
    world.write("wrong.py", "class Good(:")
    finished = clipdefense(*command.split())
    assert is_one_sentence(finished)
    assert COMMANDS[command] in finished.err


@pytest.mark.parametrize("base", ['extends = "nothing"', 'extends = "self.toml"', "extends = 3"])
def test_a_wrong_base(world, clipdefense, base):
    world.write("self.toml", base)
    finished = clipdefense("plan", "self.toml")
    assert is_one_sentence(finished)
    assert "self.toml" in finished.err or "'nothing'" in finished.err


def test_a_base_lies_beside_the_matrix(world, clipdefense):
    (world.home / "deep").mkdir()
    (world.home / "micro.toml").rename(world.home / "deep" / "micro.toml")
    (world.home / "base.toml").rename(world.home / "deep" / "base.toml")
    assert clipdefense("plan", "deep/micro.toml").code == 0


@pytest.mark.parametrize(
    "arguments", [("list", "attack"), ("run",), ("runn", "quick"), ("run", "quick", "--dev", "cpu")]
)
def test_a_wrong_command_line(clipdefense, arguments):
    finished = clipdefense(*arguments)
    assert finished.code == 2
    assert "Traceback" not in finished.err
    assert "Usage: clipdefense" in finished.err


def test_a_number_for_a_data_set_from_the_command_line(world, clipdefense):
    assert clipdefense("plan", "micro.toml", "--data", "shapes.seed=3").code == 0


@pytest.mark.xdist_group("processes")
def test_debug_shows_the_traceback_and_nothing_else_does(process):
    finished = process("run", "quik", "--debug")
    assert finished.code == 1
    assert "Traceback" in finished.err
    assert finished.err.splitlines()[-1].startswith("benchmark.errors.UserError: no matrix named 'quik'")
    assert is_one_sentence(process("run", "quik"))


def test_an_error_of_ours_is_one_sentence_too(clipdefense, monkeypatch):
    def fail(name):
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr("benchmark.matrix.load_matrix", fail)
    finished = clipdefense("plan", "micro.toml")
    assert (finished.code, finished.out) == (1, "")
    assert finished.err == "ZeroDivisionError: of ours (run again with --debug for the traceback)\n"


def test_a_plugin_that_fails_before_anything_runs(world, clipdefense):
    world.write("plugins.py", PLUGINS)
    finished = clipdefense("plan", "micro.toml", "--plugin", "plugins.py:Moody")
    assert (finished.code, finished.out) == (1, "")
    assert finished.err == "attack 'moody' raised RuntimeError: who knows\n"


def test_a_warning_of_ours_is_one_sentence_too(clipdefense, monkeypatch):
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    clipdefense("list", "models")
    assert warnings.formatwarning("taken is GELU", UserWarning, checkpoints.__file__, 3) == "taken is GELU\n"
    assert warnings.formatwarning("old", DeprecationWarning, "other.py", 3) == "other.py:3: DeprecationWarning: old\n"


def test_mistakes_lose_nothing(micro, clipdefense):
    before = {path: path.read_bytes() for path in micro.home.rglob("*") if path.is_file()}
    for command in (
        "run quik",
        "run micro.toml --only defense=x",
        "run micro.toml --device cuda:7",
        "store prune --runs x",
    ):
        assert clipdefense(*command.split()).code == 2
    assert {path: path.read_bytes() for path in before} == before
