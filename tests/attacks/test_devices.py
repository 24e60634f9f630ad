"""A trigger works wherever the images are: what it adds is brought there, and nothing is brought back."""

from importlib.metadata import entry_points

import pytest
import torch

from benchmark.poisoning import routes_of
from benchmark.types import Fitted

ATTACKS = {entry.name: entry.load()() for entry in entry_points(group="clipdefense.attacks")}
READY = sorted(name for name, attack in ATTACKS.items() if not isinstance(attack, Fitted))


@pytest.mark.parametrize("name", READY)
def test_a_trigger_works_on_a_device_whose_values_the_host_cannot_see(name):
    for route in routes_of(ATTACKS[name]):
        images = torch.zeros(3, 3, 32, 32, device="meta")
        found = route.trigger(images, torch.arange(3))
        assert found.device == images.device
        assert found.shape == images.shape


def test_most_attacks_are_asked():
    assert len(READY) > 0.7 * len(ATTACKS)
