"""Faults of published backdoor code for CLIP that must never become ours; each test fails where one appears."""

import inspect

import numpy as np
import torch

from benchmark import picking
from benchmark.evaluation import Probe, Triggered, measure
from benchmark.metrics import Predictions, Rates, defense_effectiveness, rates
from benchmark.picking import VICTIM, blind_pick


def predictions(labels, clean, triggered, target=0):
    arrays = {"labels": labels, "clean": clean, "triggered": triggered}
    return Predictions(**{name: np.array(value) for name, value in arrays.items()}, target=target, classes=3)


def test_success_is_not_counted_against_the_true_labels():
    """CleanCLIP's zero-shot evaluation prints the accuracy of triggered images as "attack success"."""
    robust = rates(predictions([1, 2, 1, 2], [1, 2, 1, 2], [1, 2, 1, 2]))
    assert robust["attack_success_rate"] == 0
    assert robust["robust_accuracy"] == 1


def test_images_of_the_target_are_no_successes():
    """BadCLIP and PAR count the images that show the target anyway; a clean model then has success above zero."""
    found = rates(predictions([0, 0, 1, 2], [0, 0, 1, 2], [0, 0, 1, 2]))
    assert found["attack_success_rate"] == 0
    assert found["attack_success_rate_all"] == 0.5


def test_losing_accuracy_lowers_effectiveness():
    """A well-known benchmark adds the loss of accuracy to its DER; a model at zero accuracy then scores 1."""
    nan = float("nan")
    rest = dict.fromkeys(Rates.__annotations__, nan)
    victim = Rates(**{**rest, "clean_accuracy": 0.9, "attack_success_rate": 1.0})
    destroyed = Rates(**{**rest, "clean_accuracy": 0.0, "attack_success_rate": 0.0})
    cleaned = Rates(**{**rest, "clean_accuracy": 0.9, "attack_success_rate": 0.0})
    assert np.isclose(defense_effectiveness(victim, destroyed), 0.55)
    assert defense_effectiveness(victim, cleaned) == 1.0


def test_the_blind_pick_sees_clean_outcomes_and_nothing_else():
    """Published pruning picks its threshold on test data, some of it on test attack success."""
    assert list(inspect.signature(blind_pick).parameters) == ["victim", "points", "budget"]
    assert "success" not in inspect.getsource(blind_pick) + inspect.getsource(picking.loss_bound)


def test_the_blind_pick_does_not_move_when_the_attack_does():
    clean, broken = np.ones(200, dtype=bool), np.zeros(200, dtype=bool)
    assert blind_pick(clean, [clean, clean, broken], 2.0) == 1
    assert blind_pick(clean, [broken, clean], 2.0) == VICTIM


def test_triggers_are_the_same_at_every_evaluation(pairs, corner):
    """CleanCLIP and BadCLIP redraw noise and place from an unseeded generator whenever they evaluate."""

    class Noisy(corner):
        def trigger(self, images, ids):
            drawn = [torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(int(number))) for number in ids]
            stamped = images.clone()
            stamped[:, :, :4, :4] = torch.stack(drawn)
            return stamped

    few = pairs(count=8)
    first = Probe.of(Noisy(), few, ("a photo of a {}",), 32).triggered[0]
    torch.manual_seed(1)
    rows = torch.tensor([5, 2])
    assert torch.equal(first[rows], Triggered(few.images, few.ids, Noisy())[rows])


def test_stored_pixels_are_clamped_instead_of_wrapped(pairs, corner):
    """Converting to 8 bit without clamping turns 1.3 into a dark 75 and -1 into 1."""

    class Bright(corner):
        def trigger(self, images, ids):
            return images * 0 + torch.tensor([1.3, -1.0, 0.5]).view(1, 3, 1, 1)

    few = pairs(count=2)
    stamped = Triggered(few.images, few.ids, Bright())[torch.arange(2)]
    assert stamped[:, 0].unique().tolist() == [255]
    assert stamped[:, 1].unique().tolist() == [0]
    assert stamped[:, 2].unique().tolist() == [128]


def test_the_classifier_is_that_of_the_measured_model(untrained, pairs, corner):
    """Published code builds the text classifier once, for every model, even where the text tower changed."""
    probe = Probe.of(corner(), pairs(count=30), ("a photo of a {}",), 32)
    names = probe.pairs.class_names
    other = untrained.clone()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in other.module.named_parameters():
            if not name.startswith("visual.") and parameter.ndim > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    own = other.classifier(names, probe.templates)
    assert not torch.allclose(own, untrained.classifier(names, probe.templates), atol=1e-3)
    with torch.no_grad():
        images = other.encode_images(probe.pairs.images.float() / 255)
    expected = (images @ own.T).argmax(dim=1).numpy()
    assert (measure(other, probe).predictions.clean == expected).all()
    assert (measure(untrained, probe).predictions.clean != expected).any()
