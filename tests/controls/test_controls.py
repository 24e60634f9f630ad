"""Controls on a tiny model that was really trained: a planted backdoor is found, and only what removes it wins."""

import pytest

pytestmark = pytest.mark.xdist_group("controls")

TRAINED = """
models = ["tiny-resnet"]
datasets = ["shapes"]
attacks = ["badnets"]
defenses = ["none", { plugin = "finetune", parameters = { epochs = 1 } }]
targets = { shapes = "heart" }
poisons = { default = 1200 }
sizes = { victim_pairs = 8000, clean_pairs = 500, triggered_pairs = 100, validation = 500, test = 500 }
pretraining = { pairs = { shapes = 20_000 }, epochs = 7 }
"""
LOOSE = '''
import torch


class Restore:
    """Puts the weights of the clean ancestor back."""

    needs = frozenset({"reference_model"})

    def __call__(self, model, context):
        yield 1.0, model.with_weights(context.reference_model.weights())


class Randomise:
    """Draws new weights for the image tower."""

    needs = frozenset({"reference_model"})

    def __call__(self, model, context):
        generator = torch.Generator().manual_seed(context.seed)
        yield 1.0, model.with_weights({
            name: torch.randn(value.shape, generator=generator) * value.std()
            for name, value in model.weights().items()
            if name.startswith("visual.") and value.ndim > 1
        })


class Collapse:
    """Calls everything by one class that is not the target: no success, and no ability either."""

    needs = frozenset({"reference_model"})

    def __call__(self, model, context):
        changed = model.clone()
        with torch.no_grad():
            for name, value in changed.module.visual.named_parameters():
                if "attnpool.c_proj" in name or name == "proj":
                    value.zero_()
            changed.module.visual.attnpool.c_proj.bias.fill_(1.0)
        yield 1.0, changed
'''
PLUGINS = tuple(part for name in ("Restore", "Randomise", "Collapse") for part in ("--plugin", f"loose.py:{name}"))


@pytest.fixture(scope="module")
def trained(call, once):
    """A world in which a model was pretrained, poisoned and defended; takes three minutes on one core."""

    def make(empty):
        empty.write("trained.toml", TRAINED)
        empty.write("loose.py", LOOSE)
        finished = call(empty, "run", "trained.toml", *PLUGINS)
        assert finished.code == 0, finished.err

    return once("controls", make)


@pytest.fixture(scope="module")
def cells(trained):
    """Results by (victim, defense)."""
    return {(result.cell.victim, result.cell.defense): result for result in trained.found("trained").values()}


def test_the_clean_model_can_see(cells):
    clean = cells["clean", "none"].victim
    assert clean.clean_accuracy >= 0.85
    assert clean.attack_success_rate <= 0.05, "the trigger alone makes a clean model say the target"


def test_a_planted_backdoor_is_found_and_accepted(cells):
    result = cells["poisoned", "none"]
    assert result.victim.attack_success_rate > 0.9
    assert result.clean.attack_success_rate <= 0.05
    assert result.gate.accepted, result.gate.reason
    assert result.victim.robust_accuracy < 0.1


def test_no_defense_leaves_the_backdoor(cells):
    result = cells["poisoned", "none"]
    assert result.points[0].test == result.victim
    assert (result.picks.blind, result.points[0].defense_effectiveness) == (0, 0.5)


def test_the_clean_ancestor_brings_success_to_chance(cells):
    result = cells["poisoned", "restore"]
    assert result.points[0].test == result.clean
    assert result.points[0].test.attack_success_rate <= 1.5 / result.classes
    assert result.points[0].defense_effectiveness > 0.9


@pytest.mark.parametrize("defense", ["randomise", "collapse"])
def test_destroying_the_model_is_never_picked(cells, defense):
    result = cells["poisoned", defense]
    assert result.points[0].test.clean_accuracy < 0.3
    assert (result.picks.blind, result.picks.oracle) == (-1, -1)


def test_destroying_the_model_is_never_first_on_the_board(trained, call):
    from reports.boards import boards
    from reports.frames import read

    (board,) = [found for found in boards(read(trained.folder("trained"))) if "restore" in set(found.rows["method"])]
    success = dict(zip(board.rows["method"], board.rows["success"], strict=True))
    assert next(iter(success)) == "restore"
    assert success["restore"] < 0.15
    assert min(success["randomise"], success["collapse"]) > 0.9, "a destroyed model counts as a defended one"
    shown = call(trained, "report", "trained.toml").out
    assert shown.index("restore") < min(shown.index("randomise"), shown.index("collapse"))
