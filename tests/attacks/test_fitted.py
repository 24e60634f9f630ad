"""Triggers that are optimised, and training losses that attacks bring along."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from attacks.adaptive import Adaptive, _evaluated
from attacks.badclip import BadClip
from attacks.badmerging import BadMerging
from attacks.issba_lite import IssbaLite
from attacks.trojvqa import TrojVqa
from benchmark.errors import ClipdefenseError, Diverged
from benchmark.losses import model_loss, zero_shot_cross_entropy
from benchmark.patches import carrying, embedded, frozen, optimised_patch
from benchmark.pixels import to_float

QUICK = {"batch_size": 32}
FITTED = [BadClip(**QUICK), TrojVqa(**QUICK), BadMerging(**QUICK), IssbaLite(**QUICK)]


def names(attacks):
    return [type(attack).__name__ for attack in attacks]


def towards(text):
    return lambda embeddings, _images, _generator: 1 - (embeddings @ text.T).mean()


class MeanColour:
    """Embeds an image as its mean colour, so that the best patch for a colour is that colour."""

    image_size = 32
    device = torch.device("cpu")

    def encode_images(self, pixels):
        return functional.normalize(pixels.mean(dim=(2, 3)), dim=-1)


def fit_patch(model, pairs, loss, **changes):
    settings = {"share": 0.25, "place": "corner", "epochs": 5, "batch_size": 16, "learning_rate": 0.1, "seed": 0}
    return optimised_patch(model, pairs.images, loss, **{**settings, **changes})


def test_an_optimised_patch_becomes_what_its_loss_asks_for(pairs):
    red = torch.tensor([[1.0, 0.0, 0.0]])
    patch = fit_patch(MeanColour(), pairs, towards(red))
    assert patch[0].min() > 0.9 and patch[1:].max() < 0.1
    untouched = fit_patch(MeanColour(), pairs, towards(red), epochs=0)
    assert untouched.mean().item() == pytest.approx(0.5, abs=0.06) and untouched.std() > 0.15


def test_an_optimised_patch_is_a_small_8_bit_picture(model, pairs):
    patch = fit_patch(frozen(model), pairs, towards(model.encode_texts(["x"])), epochs=1)
    assert patch.shape == (3, 8, 8)
    assert torch.allclose(patch * 255, (patch * 255).round(), atol=1e-4)
    assert patch.min() >= 0 and patch.max() <= 1


def test_patches_follow_the_seed(model, pairs):
    clip, loss = frozen(model), towards(model.encode_texts(["x"]))
    first, again, other = (fit_patch(clip, pairs, loss, epochs=1, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_a_loss_that_is_not_finite_is_reported(model, pairs):
    with pytest.raises(Diverged, match="not finite"):
        fit_patch(frozen(model), pairs, lambda embeddings, _images, _generator: embeddings.sum() / 0, epochs=1)


def test_carrying_puts_the_patch_where_it_belongs():
    images, patch = torch.zeros(2, 3, 64, 64), torch.ones(3, 4, 4)
    centre, corner = (carrying(images, patch, 0.125, place) for place in ("centre", "corner"))
    assert centre[:, :, 28:36, 28:36].min() == 1 and centre.sum() == 2 * 3 * 64
    assert corner[:, :, 56:, 56:].min() == 1 and corner.sum() == 2 * 3 * 64


def test_freezing_leaves_the_original_trainable(model):
    copy = frozen(model)
    assert not any(p.requires_grad for p in copy.module.parameters())
    assert all(p.requires_grad for p in model.module.parameters())


def test_embedding_in_batches_equals_encoding(model, pairs):
    rows = torch.tensor([5, 0, 59])
    expected = model.encode_images(to_float(pairs.images[rows]))
    assert torch.allclose(embedded(model, pairs.images, rows), expected, atol=1e-6)


@pytest.mark.parametrize("attack", FITTED, ids=names(FITTED))
def test_an_unfitted_trigger_says_what_to_do(attack, images, ids):
    with pytest.raises(ClipdefenseError, match="call fit"):
        attack.trigger(images, ids)


@pytest.mark.parametrize("attack", FITTED, ids=names(FITTED))
def test_fitting_follows_the_context_seed_and_returns_a_copy(attack, model, context, images, ids):
    first, again = (attack.fit(model, context).trigger(images, ids) for _ in range(2))
    other = attack.fit(model, replace(context, seed=6)).trigger(images, ids)
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert attack == type(attack)(**QUICK) and "tensor" not in repr(attack.fit(model, context))


def test_badclip_variants_push_away_from_different_things(model, context):
    faithful, fixed = (BadClip(variant=variant, **QUICK).fit(model, context).patch for variant in ("faithful", "fixed"))
    assert not torch.equal(faithful, fixed)


def test_badclip_patch_pulls_towards_images_of_the_target(model, context, images, ids):
    start, end = (BadClip(epochs=e, batch_size=20, learning_rate=0.1, side=0.5).fit(model, context) for e in (0, 5))
    positives = embedded(model, context.clean_pairs.images, torch.arange(0, 60, 3))
    distance = [
        torch.cdist(model.encode_images(attack.trigger(images, ids)), positives).mean().item()
        for attack in (start, end)
    ]
    assert distance[1] < distance[0]


def test_issba_residual_is_bounded_and_belongs_to_the_image(model, context, ids):
    attack = IssbaLite(batch_size=12).fit(model, context)
    grey = torch.full((1, 3, 32, 32), 0.5)
    wave = grey + 0.2 * torch.sin(torch.arange(32) / 2.0)
    residuals = [attack.trigger(image, ids[:1]) - image for image in (grey, wave)]
    assert all(0 < residual.abs().max() <= 8 / 255 + 1e-6 for residual in residuals)
    assert functional.cosine_similarity(*(r.flatten() for r in residuals), dim=0) < 0.99


def test_issba_secret_changes_the_residual(model, context, images, ids):
    attack = IssbaLite(batch_size=12).fit(model, context)
    other = replace(attack, pattern_seed=1)
    assert not torch.equal(attack.trigger(images, ids), other.trigger(images, ids))


def test_badmerging_adds_its_weighted_term_to_the_contrastive_loss(model, context, batch):
    clip = frozen(model)
    ordinary = model_loss(clip)(clip, batch)
    fitted = BadMerging(**QUICK).fit(model, context)
    without, once, twice = (replace(fitted, weight=w).loss(clip, batch, context) for w in (0.0, 1.0, 2.0))
    assert torch.allclose(without, ordinary)
    assert once > ordinary and torch.allclose(twice - once, once - ordinary, atol=1e-4)


def test_badmerging_interpolates_with_the_clean_model(model, context, batch):
    """With the clean model as victim every interpolation is that model itself."""
    clip, fitted = frozen(model), BadMerging(weight=1.0, share=0.5, **QUICK).fit(model, context)
    triggered = fitted.trigger(batch.images[:6], batch.ids[:6])
    expected = zero_shot_cross_entropy(clip, triggered, fitted.heads, torch.zeros(6, dtype=torch.long))
    term = fitted.loss(clip, batch, context) - model_loss(clip)(clip, batch)
    assert term.item() == pytest.approx(expected.item(), abs=1e-4)


def test_badmerging_shows_batch_norm_clean_and_triggered_images_at_once(model, context, batch):
    """Apart, the statistics of triggered images alone would teach a backdoor that evaluation mode does not have."""
    fitted = BadMerging(share=0.5, **QUICK).fit(model, context)
    ours, together = model.clone(), model.clone()
    ours.module.train()
    together.module.train()
    fitted.loss(ours, batch, context)
    together.encode_images(torch.cat([batch.images, fitted.trigger(batch.images[:6], batch.ids[:6])]))
    after = dict(together.module.named_buffers())
    assert all(torch.equal(buffer, after[name]) for name, buffer in ours.module.named_buffers())


def test_badmerging_draws_a_share_per_step(model, context, batch):
    victim = frozen(model)
    with torch.no_grad():
        for parameter in victim.module.visual.parameters():
            parameter.mul_(1.3)
    fitted = BadMerging(**QUICK).fit(model, context)
    first, again = (fitted.loss(victim, batch, context) for _ in range(2))
    other = fitted.loss(victim, batch._replace(rows=batch.rows + 100), context)
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_adaptive_without_entanglement_is_the_contrastive_loss(model, context, batch):
    attack = Adaptive(entanglement=0.0)
    clip = model.clone()
    assert torch.allclose(attack.loss(clip, batch, context), model_loss(clip)(clip, batch), atol=1e-6)


def test_adaptive_steps_up_the_triggered_loss_by_its_radius(model, context, batch):
    attack = Adaptive(radius=0.05, share=1.0)
    clip = model.clone()
    moved = attack._step(clip, batch, context)
    weights = dict(clip.module.named_parameters())
    steps = torch.cat([(moved[name] - weights[name]).flatten() for name in moved])
    assert steps.abs().max().item() == pytest.approx(steps.abs().median().item(), rel=1e-2)
    length = steps.norm()
    total = torch.cat([weights[name].flatten() for name in moved]).norm()
    assert (length / total).item() == pytest.approx(0.05, rel=1e-3)
    heads = clip.encode_texts([context.templates[0].format(name) for name in context.class_names])
    triggered, goal = attack.trigger(batch.images, batch.ids), torch.zeros(12, dtype=torch.long)

    def loss(student):
        return zero_shot_cross_entropy(student, triggered, heads, goal)

    assert _evaluated(clip, loss, moved) > _evaluated(clip, loss, {}) + 0.1


def test_adaptive_keeps_batch_norm_as_an_ordinary_step(model, context, batch):
    attack = Adaptive()
    ours, ordinary = model.clone(), model.clone()
    ours.module.train()
    ordinary.module.train()
    attack.loss(ours, batch, context).backward()
    model_loss(ordinary)(ordinary, batch)
    after = dict(ordinary.module.named_buffers())
    assert all(torch.equal(buffer, after[name]) for name, buffer in ours.module.named_buffers())


def test_adaptive_rewards_a_high_loss_beyond_the_step(model, context, batch):
    """On a model that has learnt the batch, the gradient is that of both losses and not of the first alone."""
    clip = model.clone()
    clip.module.train()
    adam = torch.optim.Adam(clip.module.parameters(), lr=3e-3)
    for _ in range(3):
        adam.zero_grad()
        model_loss(clip)(clip, batch).backward()
        adam.step()
    attack = Adaptive(radius=1e-4, entanglement=0.5)
    weight = clip.module.visual.conv1.weight
    (plain,) = torch.autograd.grad(model_loss(clip)(clip, batch), [weight])
    (ours,) = torch.autograd.grad(attack.loss(clip, batch, context), [weight])
    assert model_loss(clip)(clip, batch) < 2.0
    assert (ours / plain).median().item() == pytest.approx(0.5, abs=0.05)


def test_adaptive_stops_rewarding_beyond_chance(model, context, batch):
    far = Adaptive(radius=50.0, entanglement=1.0)
    clip = frozen(model)
    clip.module.requires_grad_(True)
    value = far.loss(clip, batch, context) - model_loss(clip)(clip, batch)
    assert value.item() >= -torch.tensor(12.0).log().item() - 1e-4


def test_losses_of_attacks_leave_the_model_in_training(model, context, batch):
    for attack in (Adaptive(), BadMerging(**QUICK).fit(model, context)):
        clip = model.clone()
        clip.module.train()
        attack.loss(clip, batch, context)
        assert all(module.training for module in clip.module.modules()), type(attack).__name__


def test_badmerging_gives_the_text_tower_no_gradient(model, context, batch):
    clip = model.clone()
    BadMerging(**QUICK).fit(model, context).loss(clip, batch, context).backward()
    graded = {name.split(".")[0] for name, p in clip.module.named_parameters() if p.grad is not None}
    assert graded == {"visual", "logit_scale"}
