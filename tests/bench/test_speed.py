"""Training and evaluation against the bare model: the same forward, backward and optimiser step, and nothing around."""

from attacks.badnets import BadNets
from benchmark.data.shapes import Shapes
from benchmark.throughput import evaluation_race, probe_race, training_race

FLOOR = 0.90
"""Below this share of the bare speed a benchmark fails; the goal is 0.95."""


def test_training(versus, model, spec, pairs):
    assert versus("training", training_race(model, pairs, spec.finetune)) > FLOOR


def test_evaluation(versus, model, pairs):
    assert versus("evaluation", evaluation_race(model, pairs, Shapes.templates)) > FLOOR


def test_measuring_clean_and_triggered(versus, model, pairs):
    race = probe_race(model, BadNets(target="heart"), pairs, Shapes.templates)
    assert versus("clean and triggered, text classifier and metrics included", race) > FLOOR
