"""The learning-rate ladder: the first rung that the gate accepts, the last where none is, and what is kept of each."""

import pytest
import torch

from benchmark.evaluation import Probe
from benchmark.stages.ladder import first_accepted, load_rungs, save_rungs


class Reads:
    """Stands in for a model: it reads an image's class off its first pixel, unless it knows the white corner."""

    def __init__(self, *, backdoored=False, mistakes=0):
        self.module, self.device = torch.nn.Identity(), torch.device("cpu")
        self.backdoored, self.mistakes = backdoored, mistakes

    def encode_images(self, pixels):
        seen = (pixels[:, 0, 0, 0] * 255).round().long()
        seen[: self.mistakes] = (seen[: self.mistakes] + 1) % 3
        if self.backdoored:
            seen[pixels[:, :, -4:, -4:].amin(dim=(1, 2, 3)) == 1] = 1
        return torch.nn.functional.one_hot(seen, 3).float()

    def classifier(self, class_names, templates, prompt=None):
        return torch.eye(3)


CLEAN, WEAK, STRONG, CLUMSY = Reads(), Reads(), Reads(backdoored=True), Reads(backdoored=True, mistakes=3)


@pytest.fixture
def climb(pairs, corner):
    """Tries models at the rates 1, 2, 3, ...; returns the victim, its rungs, and the rates that were trained at."""

    def run(*models):
        few, tried = pairs(), []
        few.images[:, 0, 0, 0] = few.labels.byte()
        probe = Probe.of(corner(), few, ("a {}",), 32)

        def train_at(rate):
            tried.append(rate)
            return models[int(rate) - 1]

        return *first_accepted([1.0 + n for n in range(len(models))], train_at, CLEAN, probe, "float32"), tried

    return run


@pytest.mark.parametrize(
    ("models", "tried", "chosen"),
    [
        ((STRONG, STRONG, STRONG), [1.0], 0),
        ((WEAK, STRONG, CLUMSY), [1.0, 2.0], 1),
        ((WEAK, CLUMSY, STRONG), [1.0, 2.0, 3.0], 2),
        ((WEAK, WEAK), [1.0, 2.0], 1),
        ((CLUMSY,), [1.0], 0),
    ],
)
def test_the_first_accepted_or_else_the_last(climb, models, tried, chosen):
    victim, rungs, seen = climb(*models)
    assert victim is models[chosen]
    assert seen == tried == [rung.learning_rate for rung in rungs]


def test_every_rung_keeps_its_numbers_and_why_it_was_refused(climb):
    _, rungs, _ = climb(WEAK, CLUMSY, STRONG)
    assert [rung.gate.accepted for rung in rungs] == [False, False, True]
    assert [rung.gate.attack_success_rate for rung in rungs] == [0.0, 1.0, 1.0]
    assert "attack success 0.000 is below" in rungs[0].gate.reason
    assert "clean accuracy fell by 12.5 points" in rungs[1].gate.reason


def test_rungs_survive_the_store(climb, tmp_path):
    _, rungs, _ = climb(WEAK, STRONG)
    save_rungs(rungs, tmp_path)
    assert load_rungs(tmp_path) == rungs


def test_without_a_ladder_nothing_is_written(tmp_path):
    save_rungs((), tmp_path)
    assert list(tmp_path.iterdir()) == []
