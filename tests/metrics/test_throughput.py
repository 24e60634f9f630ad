"""What is measured: as many images on both sides, in turns, on any device."""

from dataclasses import replace

import pytest
import torch

from benchmark.architectures import Recipe
from benchmark.models import Clip
from benchmark.throughput import Race, evaluation_race, probe_race, seconds, training_race

RECIPE = Recipe(learning_rate=1e-3, epochs=7, batch_size=8, batch_norm="train")
TEMPLATES = ("a photo of a {}",)


@pytest.fixture
def encoded(monkeypatch):
    """How many images went through a vision tower since the last call."""
    counts, encode = [], Clip.image_features

    def counted(self, pixels):
        counts.append(len(pixels))
        return encode(self, pixels)

    def since():
        total = sum(counts)
        counts.clear()
        return total

    monkeypatch.setattr(Clip, "image_features", counted)
    monkeypatch.setattr("benchmark.throughput.EVALUATION_BATCH", 8)
    return since


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", ["training", "evaluation", "probe"])
def test_both_sides_see_as_many_images(untrained, pairs, corner, encoded, kind, precision):
    few = pairs(20)
    race = {
        "training": lambda: training_race(untrained, few, RECIPE, precision),
        "evaluation": lambda: evaluation_race(untrained, few, TEMPLATES, precision),
        "probe": lambda: probe_race(untrained, corner(), few, TEMPLATES, precision),
    }[kind]()
    expected = 32 if kind == "probe" else 16
    for side in (race.ours, race.bare):
        encoded()
        side()
        assert encoded() == expected == race.images


def test_the_measured_model_stays_as_it_was(untrained, pairs):
    before = {name: value.clone() for name, value in untrained.weights().items()}
    found = training_race(untrained, pairs(), replace(RECIPE, epochs=1)).run(rounds=1)
    assert all(torch.equal(value, before[name]) for name, value in untrained.weights().items())
    assert found.ours > 0
    assert found.ratio == found.ours / found.bare
    assert found.peak_memory > 0


def test_rounds_take_turns_and_the_fastest_counts(monkeypatch):
    order, clock = [], iter([0, 4, 10, 12, 20, 22, 30, 35])
    monkeypatch.setattr("benchmark.throughput.time.perf_counter", lambda: next(clock))
    race = Race(
        ours=lambda: order.append("ours"), bare=lambda: order.append("bare"), images=20, device=torch.device("cpu")
    )
    found = race.run(rounds=2)
    assert order == ["ours", "bare"] * 3
    assert (found.ours, found.bare, found.ratio) == (10, 10, 1)


def test_seconds_are_those_of_the_work(monkeypatch):
    clock = iter([1.0, 3.5])
    monkeypatch.setattr("benchmark.throughput.time.perf_counter", lambda: next(clock))
    assert seconds(lambda: None, torch.device("cpu")) == 2.5
