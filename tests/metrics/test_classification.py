"""The classification protocol: a head that does not move, the vision tower alone, labels or a sentence."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from benchmark.architectures import Recipe
from benchmark.classification import ZeroShotHead
from benchmark.errors import ClipdefenseError
from benchmark.pixels import to_float
from benchmark.stages.contexts import bound_train
from benchmark.training import Meter, last
from benchmark.types import Batch

CLASSES, TEMPLATES = ("ship", "cat", "tree"), ("a photo of a {}", "a drawing of a {}")
HEAD = ZeroShotHead(class_names=CLASSES, templates=TEMPLATES)
RECIPE = Recipe(learning_rate=1e-3, epochs=2, batch_size=8, warmup_steps=2, batch_norm="train")


def batch_of(model, pairs):
    rows = torch.arange(len(pairs))
    return Batch(to_float(pairs.images), model.tokenize(pairs.captions), pairs.labels, pairs.ids, rows)


@torch.no_grad()
def test_the_loss_is_the_cross_entropy_of_zero_shot_logits(untrained, pairs):
    few = pairs()
    logits = (
        untrained.logit_scale
        * untrained.encode_images(to_float(few.images))
        @ untrained.classifier(CLASSES, TEMPLATES).T
    )
    found = HEAD.loss(untrained, few)(untrained, batch_of(untrained, few))
    assert float(found) == pytest.approx(float(functional.cross_entropy(logits, few.labels)), rel=1e-5)


def test_the_head_stays_that_of_the_start(untrained, pairs):
    student, few = untrained.clone(), pairs()
    loss = HEAD.loss(student, few)
    before = float(loss(student, batch_of(student, few)).detach())
    with torch.no_grad():
        student.module.token_embedding.weight.normal_(generator=torch.Generator().manual_seed(0))
    assert float(loss(student, batch_of(student, few)).detach()) == before


def test_training_without_a_loss_moves_the_vision_tower_alone(untrained, pairs):
    few, meter = pairs(), Meter()
    train = bound_train(RECIPE, seed=0, head=HEAD, meter=meter)
    before, after = untrained.weights(), last(train(untrained, few)).weights()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved and all(name.startswith("visual.") for name in moved)
    assert meter.trainable == sum(parameter.numel() for _, parameter in untrained.trainable("vision"))


def test_training_lowers_the_loss_on_its_labels(untrained, pairs):
    few = pairs()
    loss = HEAD.loss(untrained, few)
    trained = last(bound_train(RECIPE, seed=0, head=HEAD)(untrained, few, epochs=6))
    with torch.no_grad():
        before, after = (float(loss(model, batch_of(model, few))) for model in (untrained, trained))
    assert after < before


def test_a_loss_of_its_own_is_left_alone(untrained, pairs):
    def only_scale(model, batch):
        return model.logit_scale * 1.0 + 0 * model.encode_images(batch.images).sum()

    before = untrained.weights()
    after = last(bound_train(RECIPE, seed=0, head=HEAD)(untrained, pairs(), loss=only_scale)).weights()
    assert not torch.equal(before["logit_scale"], after["logit_scale"])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"labels": None}, "trains on labels, which these pairs of 'small' do not have"),
        ({"class_names": ("ship", "cat", "bush")}, "the labels of these pairs of 'small' are of other classes"),
    ],
)
def test_pairs_that_do_not_fit_end_in_a_sentence(untrained, pairs, change, sentence):
    with pytest.raises(ClipdefenseError, match=sentence):
        bound_train(RECIPE, seed=0, head=HEAD)(untrained, replace(pairs(), **change))


def test_the_text_tower_cannot_be_trained_with_it(untrained, pairs):
    with pytest.raises(ClipdefenseError, match="trains the vision tower"):
        bound_train(RECIPE, seed=0, head=HEAD)(untrained, pairs(), parts="text")
