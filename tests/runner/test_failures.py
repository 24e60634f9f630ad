"""Plugins that break: their cells fail with a sentence that names them, and nobody else notices."""

import pytest
from safetensors.torch import load_file

DEFENSES = """
import sys

import torch


class Base:
    needs = frozenset()


class Raises(Base):
    def __call__(self, model, context):
        raise ValueError("no luck today")


class RaisesLater(Base):
    def __call__(self, model, context):
        yield 1.0, model.clone()
        raise KeyError("second point")


class YieldsNothing(Base):
    def __call__(self, model, context):
        return iter(())


class ReturnsNone(Base):
    def __call__(self, model, context):
        return None


class YieldsModels(Base):
    def __call__(self, model, context):
        yield model


class YieldsNumbers(Base):
    def __call__(self, model, context):
        yield 0.1, 5


class FallingStrengths(Base):
    def __call__(self, model, context):
        yield 2.0, model
        yield 1.0, model


class EqualStrengths(Base):
    def __call__(self, model, context):
        yield 1.0, model
        yield 1.0, model


class EndlessStrength(Base):
    def __call__(self, model, context):
        yield float("inf"), model


class WordyStrength(Base):
    def __call__(self, model, context):
        yield "strong", model


class NotFinite(Base):
    def __call__(self, model, context):
        yield 1.0, model.with_weights({"text_projection": model.weights()["text_projection"] * float("nan")})


class WrongShape(Base):
    def __call__(self, model, context):
        changed = model.clone()
        changed.module.text_projection = torch.nn.Parameter(torch.zeros(3, 5))
        yield 1.0, changed


class Hungry(Base):
    def __call__(self, model, context):
        raise MemoryError


class HungryOnDevice(Base):
    def __call__(self, model, context):
        raise torch.OutOfMemoryError("tried to allocate 7 TiB")


class Quits(Base):
    def __call__(self, model, context):
        sys.exit(0)


class Reaches(Base):
    def __call__(self, model, context):
        yield 1.0, context.reference_model


class Diverges(Base):
    needs = frozenset({"clean_pairs"})

    def __call__(self, model, context):
        settings = {"epochs": 2, "batch_size": 8, "learning_rate": 1e30}
        for epoch, trained in enumerate(context.train(model, context.clean_pairs, **settings)):
            yield 1.0 + epoch, trained


class Spoils(Base):
    def __call__(self, model, context):
        with torch.no_grad():
            for parameter in model.module.parameters():
                parameter.data.zero_()
        yield 1.0, model
"""
MOODY = """
from pathlib import Path


class Moody:
    needs = frozenset()

    def __call__(self, model, context):
        if Path("sad").exists():
            raise OSError("sad")
        yield 1.0, model
"""
REASONS = {
    "raises": "defense 'raises' raised ValueError: no luck today",
    "raises_later": "defense 'raises_later' raised KeyError: 'second point'",
    "yields_nothing": "defense 'yields_nothing' yielded no point",
    "returns_none": "defense 'returns_none' must yield points (strength, model), got None",
    "yields_models": "defense 'yields_models' must yield (strength, model), got Clip",
    "yields_numbers": "defense 'yields_numbers' must yield (strength, model)",
    "falling_strengths": "defense 'falling_strengths': strength 1.0 does not exceed the one before, 2.0",
    "equal_strengths": "defense 'equal_strengths': strength 1.0 does not exceed the one before, 1.0",
    "endless_strength": "defense 'endless_strength': strength inf",
    "wordy_strength": "defense 'wordy_strength' raised ValueError",
    "not_finite": "defense 'not_finite': weight 'text_projection' is not finite at strength 1.0",
    "wrong_shape": "defense 'wrong_shape' raised RuntimeError",
    "hungry": "defense 'hungry' ran out of memory",
    "hungry_on_device": "defense 'hungry_on_device' ran out of memory",
    "quits": "defense 'quits' raised SystemExit: 0",
    "reaches": "the plugin uses 'reference_model' without declaring it",
    "diverges": "diverges on badnets: loss not finite",
    "spoils": "defense 'spoils' changed",
}
ATTACKS = """
import torch


class WrongShape:
    target = "heart"

    def trigger(self, images, ids):
        return images[:, :, 1:]


class Breaks(WrongShape):
    def trigger(self, images, ids):
        raise ZeroDivisionError("division by zero")


class Blank(WrongShape):
    def trigger(self, images, ids):
        return images * float("nan")


class Whole(WrongShape):
    def trigger(self, images, ids):
        return (images * 255).to(torch.uint8)
"""


def located(file, plugins):
    return [part for name in plugins for part in ("--plugin", f"{file}:{''.join(w.title() for w in name.split('_'))}")]


@pytest.fixture(scope="module")
def broken(finished_micro, call, tmp_path_factory):
    """The micro world after a run in which every defense but the two controls is broken."""
    world = finished_micro.copied(tmp_path_factory.mktemp("broken"))
    world.write("defenses.py", DEFENSES)
    world.matrix("broken", 'attacks = ["badnets"]\nbenign = ""\ndefenses = ["none"]')
    finished = call(world, "run", "broken.toml", *located("defenses.py", REASONS))
    found = world.found("broken")
    return finished, {result.cell.defense: result for result in found.values() if result.cell.victim == "poisoned"}


def test_a_run_with_failed_cells_is_a_run(broken):
    finished, found = broken
    assert finished.code == 0
    assert finished.out.splitlines()[-1].startswith(f"{len(REASONS)} failed, 3 ok")
    assert found.keys() == {*REASONS, "none", "finetune"}


@pytest.mark.parametrize("defense", REASONS)
def test_a_broken_defense_fails_with_a_sentence(broken, defense):
    finished, found = broken
    result = found[defense]
    assert result.status == "failed"
    assert result.reason.startswith(REASONS[defense])
    assert (result.points, result.picks, result.victim) == ((), None, None)
    assert "Traceback" in result.traceback
    assert "\n" not in result.reason
    assert f"failed  {result.cell.text}: {result.reason}" in finished.out


def test_the_others_are_as_if_nothing_had_happened(broken, finished_micro):
    _, found = broken
    untouched = finished_micro.found()["tiny-resnet / shapes / badnets / none / seed 0"]
    assert found["none"].model_dump(exclude={"provenance", "cost"}) == untouched.model_dump(
        exclude={"provenance", "cost"}
    )
    assert found["finetune"].status == "ok"


def test_a_defense_that_spoils_the_victim_spoils_it_for_nobody(micro, call):
    micro.write("defenses.py", DEFENSES)
    micro.matrix("spoilt", 'attacks = ["badnets"]\nbenign = ""\ndefenses = ["spoils", "none", "pruning"]')
    call(micro, "run", "spoilt.toml", *located("defenses.py", ["spoils"]))
    after = {cell.rpartition(" / seed")[0]: result for cell, result in micro.found("spoilt").items()}
    assert after["tiny-resnet / shapes / badnets / spoils"].status == "failed"
    micro.matrix("fresh", 'attacks = ["badnets"]\nbenign = ""\ndefenses = ["none", "pruning"]')
    call(micro, "run", "fresh.toml", "--store", "another")
    fresh = {cell.rpartition(" / seed")[0]: result for cell, result in micro.found("fresh").items()}
    for cell, result in fresh.items():
        assert [point.test for point in after[cell].points] == [point.test for point in result.points]


def test_a_point_that_is_changed_after_it_was_yielded_is_kept_as_it_was(micro, call):
    micro.write(
        "walker.py",
        """
class Walker:
    needs = frozenset()

    def __call__(self, model, context):
        walking = model.clone()
        yield 1.0, walking
        walking.module.text_projection.data.mul_(-1)
        yield 2.0, walking
""",
    )
    micro.matrix("walk", 'attacks = ["blended"]\nbenign = ""\nbudget = 0.001')
    call(micro, "run", "walk.toml", "--only", "defense=walker", "--plugin", "walker.py:Walker")
    result = micro.found("walk")["tiny-resnet / shapes / blended / walker / seed 0"]
    assert result.status == "ok"
    assert result.picks.blind == 0
    kept = load_file(micro.store / "measured" / result.key / "blind.safetensors")
    victim = load_file(micro.store / "victim" / result.provenance.keys["victim"] / "model.safetensors")
    assert all(kept[name].equal(value) for name, value in victim.items())


@pytest.mark.parametrize(
    ("attack", "reason"),
    [
        ("wrong_shape", "attack 'WrongShape': trigger() must return a float tensor of shape"),
        ("breaks", "attack 'Breaks': trigger() raised ZeroDivisionError: division by zero"),
        ("blank", "attack 'Blank': trigger() returned pixels that are not finite"),
        ("whole", "attack 'Whole': trigger() must return a float tensor"),
    ],
)
def test_a_broken_attack_fails_in_its_own_cells(micro, call, attack, reason):
    micro.write("attacks.py", ATTACKS)
    micro.matrix("attacked", 'attacks = ["badnets"]\nbenign = ""\ndefenses = ["none"]')
    finished = call(micro, "run", "attacked.toml", *located("attacks.py", [attack]))
    assert (finished.code, finished.out.splitlines()[-1]) == (0, "3 failed, 3 ok in runs/attacked")
    for result in micro.found("attacked").values():
        assert result.status == ("failed" if result.cell.attack == attack else "ok")
        assert result.reason.startswith(reason if result.cell.attack == attack else "")


def test_a_failure_is_kept_until_it_is_retried(micro, call):
    micro.write("moody.py", MOODY)
    micro.matrix("mood", 'attacks = ["badnets"]\nbenign = ""\ndefenses = ["none"]')
    run = ("run", "mood.toml", "--only", "defense=moody", "--plugin", "moody.py:Moody")
    micro.write("sad", "")
    assert call(micro, *run).out.splitlines()[-1] == "1 failed in runs/mood"
    (micro.home / "sad").unlink()
    assert call(micro, *run).out.splitlines() == ["1 failed in runs/mood"]
    assert call(micro, *run, "--retry", "failed").out.splitlines()[-1] == "1 ok in runs/mood"
    assert call(micro, *run, "--retry", "failed").out.splitlines() == ["1 ok in runs/mood"]


def test_status_names_what_failed_and_why(micro, call):
    micro.write("moody.py", MOODY)
    micro.write("sad", "")
    micro.matrix("mood", 'attacks = ["badnets"]\nbenign = ""\ndefenses = ["none"]')
    call(micro, "run", "mood.toml", "--plugin", "moody.py:Moody", "--only", "defense=moody")
    shown = call(micro, "status", "mood.toml").out
    assert "defense 'moody' raised OSError: sad" in shown
    assert shown.count("not computed yet") == 3
