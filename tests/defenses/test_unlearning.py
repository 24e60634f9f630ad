"""Losses of the defenses that unlearn: ascent, relabelling, adversarial perturbations."""

import math

import pytest
import torch
from torch.nn import functional

from benchmark.adversarial import ascended
from benchmark.losses import contrastive_soft, symmetric_cross_entropy
from benchmark.objectives import class_loss, frozen, shared_targets
from benchmark.types import Batch
from defenses.abd import Abd
from defenses.gradient_ascent import GradientAscent
from defenses.i_bau import IBau
from defenses.relabel import Relabel
from defenses.sau import Sau, disagreement, jensen_shannon, mean_over, sharing


@pytest.fixture
def batch(model, pairs, pixels):
    return Batch(pixels, model.tokenize(pairs.captions), pairs.labels, pairs.ids, torch.arange(len(pairs)))


@torch.no_grad()
def test_ascent_is_bounded_by_a_guess_and_retains_the_clean_rows(model, batch, everything, pairs):
    targets, clean = torch.zeros(len(pairs), dtype=torch.long), 16
    found = GradientAscent(gamma=2.0).objective(model, everything, targets, clean)(model, batch)
    ours, theirs = (Batch(*(part[rows] for part in batch)) for rows in (slice(clean), slice(clean, None)))
    told = theirs._replace(labels=targets[clean:])
    gap = math.log(len(pairs.class_names)) - float(class_loss(model, everything)(model, told))
    expected = float(contrastive_soft(model, ours)) + 2.0 * max(0.0, gap)
    assert float(found) == pytest.approx(expected, rel=1e-4)


@torch.no_grad()
def test_ascent_retains_labelled_rows_by_their_labels(model, batch, everything, pairs):
    targets, clean = torch.cat([pairs.labels[:16], torch.zeros(8, dtype=torch.long)]), 16
    found = GradientAscent(gamma=0.0).objective(model, everything, targets, clean, labelled=True)(model, batch)
    ours = Batch(*(part[:clean] for part in batch))
    assert float(found) == pytest.approx(float(class_loss(model, everything)(model, ours)), rel=1e-4)


@pytest.mark.parametrize("clean", [0, 24])
def test_ascent_takes_batches_of_one_kind(model, batch, everything, pairs, clean):
    loss = GradientAscent().objective(model, everything, torch.zeros(len(pairs), dtype=torch.long), clean)
    assert torch.isfinite(loss(model, batch))


@torch.no_grad()
@pytest.mark.parametrize("invert", [False, True])
def test_relabelling_costs_only_what_the_trigger_changes(vit, pairs, pixels, invert):
    class Flip:
        target = "heart"

        def trigger(self, images, ids):
            return 1 - images if invert else images

    batch = Batch(pixels, vit.tokenize(pairs.captions), None, pairs.ids, torch.arange(len(pairs)))
    found = Relabel().objective(frozen(vit), Flip())(vit, batch)
    seen, changed = vit.encode_images(pixels), vit.encode_images(1 - pixels if invert else pixels)
    assert float(found) == pytest.approx(float(1 - (seen * changed).sum(dim=1).mean()), abs=1e-5)
    assert (float(found) > 1e-3) == invert


def test_adversarial_images_stay_in_their_box_and_raise_the_objective(pixels):
    found = ascended(
        pixels,
        lambda x: (x * torch.linspace(-1, 1, 32)).sum(),
        start=torch.zeros_like(pixels),
        radius=0.1,
        step_size=0.04,
        steps=4,
    )
    torch.testing.assert_close(found - pixels, 0.1 * torch.linspace(-1, 1, 32).sign().expand_as(pixels))
    assert not found.requires_grad


def test_adversarial_copies_match_their_captions_less(model, batch):
    copies = Abd().adversarial(model, batch, torch.Generator().manual_seed(0))
    texts, shared = model.encode_tokens(batch.tokens), shared_targets(model, batch.tokens)
    with torch.no_grad():
        before, after = (
            float(symmetric_cross_entropy(model.encode_images(x), texts, model.logit_scale, shared))
            for x in (batch.images, copies)
        )
    assert after > before
    assert (copies - batch.images).abs().max() <= 8 / 255 + 1e-6
    assert all(parameter.grad is None for parameter in model.module.parameters())


def test_divergence_is_zero_for_equal_and_ln_2_for_opposite_predictions():
    one = torch.tensor([[50.0, 0.0], [0.0, 50.0]])
    torch.testing.assert_close(jensen_shannon(one, one), torch.zeros(2))
    torch.testing.assert_close(jensen_shannon(one, one.flip(1)), torch.full((2,), math.log(2)))


def test_shared_adversarial_images_have_nothing_left_to_raise():
    labels, fooled = torch.tensor([0, 0]), torch.tensor([[0.0, 5.0, 0.0], [0.0, 0.0, 5.0]])
    assert float(sharing(fooled, fooled, labels, 0.01, 1.0)) == 0.0
    right = torch.tensor([[5.0, 0.0, 0.0], [5.0, 0.0, 0.0]])
    expected = 0.01 * float(functional.cross_entropy(right, labels))
    assert float(sharing(right, right, labels, 0.01, 1.0)) == pytest.approx(expected, rel=1e-5)


def test_disagreement_counts_only_images_that_fool_the_suspect_model():
    labels, clean = torch.tensor([0, 0]), torch.tensor([[5.0, 0.0], [5.0, 0.0]])
    theirs = torch.tensor([[0.0, 5.0], [5.0, 0.0]])
    agreeing, leaving = torch.tensor([[0.0, 3.0], [0.0, 3.0]]), torch.tensor([[3.0, 0.0], [0.0, 3.0]])
    p = float(torch.tensor([0.0, 3.0]).softmax(0)[1])
    assert float(disagreement(agreeing, clean, theirs, labels)) == pytest.approx(-math.log(1 - p) / 2, rel=1e-3)
    assert float(disagreement(leaving, clean, theirs, labels)) == pytest.approx(-math.log(p) / 2, rel=1e-3)
    assert float(disagreement(agreeing, clean, clean, labels)) == 0.0


def test_mean_over_nothing_is_zero():
    assert float(mean_over(torch.ones(3), torch.zeros(3, dtype=torch.bool))) == 0.0


def test_shared_adversarial_loss_is_finite_and_leaves_modes_and_gradients(model, batch, everything):
    classifier = model.classifier(everything.class_names, everything.templates)
    model.module.train()
    found = Sau(steps=1).objective(frozen(model), classifier)(model, batch)
    assert torch.isfinite(found) and model.module.visual.training
    assert all(parameter.grad is None for parameter in model.module.parameters())


def test_hypergradient_of_a_quadratic_inner_problem(resnet):
    curvature, rate, steps = 2.0, 0.1, 5

    class Quadratic(IBau):
        def inner(self, model, classifier, images, delta):
            return curvature * delta.square().sum() / 2 + delta.sum() * model.module.visual.bn1.weight.sum()

    slope = torch.tensor([1.0, -0.5, 0.25]).view(1, 3, 1, 1)
    delta = torch.zeros(1, 3, 1, 1, requires_grad=True)
    defense = Quadratic(implicit_steps=steps, inner_rate=rate)
    found = defense._implicit(resnet, torch.empty(0), torch.empty(0), delta, slope)
    series = sum((1 - rate * curvature) ** power for power in range(steps + 1))
    names = [name for name, _ in resnet.module.named_parameters()]
    moved = {name: value for name, value in zip(names, found, strict=True) if value is not None}
    assert moved.keys() == {"visual.bn1.weight"}
    torch.testing.assert_close(moved["visual.bn1.weight"], torch.full((8,), float(slope.sum()) * series))


def test_the_implicit_term_changes_the_gradient_of_a_real_model(model, batch, everything):
    classifier = model.classifier(everything.class_names, everything.templates)
    small = Batch(*(part[:6] for part in batch))
    delta, found = torch.full((1, 3, 32, 32), 0.05), []
    for steps in (0, 2):
        model.module.zero_grad(set_to_none=True)
        IBau(implicit_steps=steps, inner_rate=10.0).objective(classifier, delta)(model, small).backward()
        found.append(model.module.visual.conv1.weight.grad.clone())
    assert torch.isfinite(found[1]).all() and not torch.equal(*found)
