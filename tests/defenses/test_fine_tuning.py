"""Losses of the defenses that fine-tune: PAR, FT-SAM, NAD, fine-pruning, activation tuning, prompts."""

import pytest
import torch

from benchmark.errors import ClipdefenseError
from benchmark.losses import contrastive_soft
from benchmark.objectives import frozen
from benchmark.prompts import prompted
from benchmark.training import set_training_mode
from benchmark.types import Batch
from benchmark.units import block_layers, output_layers
from defenses import par
from defenses.fine_pruning import FinePruning
from defenses.ft_sam import climb, sharpness_aware
from defenses.invertune import InverTune, upper_group
from defenses.nad import Nad, attention_map, spatial_layers
from defenses.par import Par
from defenses.rvpt import Rvpt, few_shot_rows


@pytest.fixture
def batch(model, pairs, pixels):
    return Batch(pixels, model.tokenize(pairs.captions), pairs.labels, pairs.ids, torch.arange(len(pairs)))


def gradients(model, loss):
    model.module.zero_grad(set_to_none=True)
    loss.backward()
    return {name: p.grad.clone() for name, p in model.module.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(("distance", "value", "slope"), [(1.0, 1.0, 1.0), (2.15, 2.15, 1.0), (2.2, 0.0, 0.0)])
def test_par_distance_vanishes_above_the_threshold_with_its_gradient(distance, value, slope):
    x = torch.tensor(distance, requires_grad=True)
    found = par.capped(x, 2.15)
    found.backward()
    assert found.item() == pytest.approx(value) and x.grad.item() == slope


def test_par_starts_as_the_contrastive_loss_where_student_and_teacher_agree(model, batch, monkeypatch):
    for name in ("noised", "erased"):
        monkeypatch.setattr(par, name, lambda images, *settings: images)
    found = gradients(model, Par().objective(frozen(model), 0)(model, batch))
    expected = gradients(model, contrastive_soft(model, batch))
    del expected["logit_scale"]
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-4, rtol=1e-3)


def test_par_noise_only_brightens_and_erasing_hides_at_most_two_percent(pixels):
    source = torch.Generator().manual_seed(0)
    noised = par.noised(pixels, 0.2, source)
    touched = (noised != pixels).flatten(1).any(dim=1)
    assert (noised >= pixels).all() and noised.max() <= 1
    assert 0 < touched.sum() < len(pixels)
    hidden = (par.erased(pixels, source) != pixels).any(dim=1).flatten(1).float().mean(dim=1)
    assert hidden.max() <= 0.02 and 0 < (hidden > 0).sum() < len(pixels)


def test_sharpness_aware_gradient_is_that_at_the_top_of_the_climb(model, batch):
    start = {name: value.clone() for name, value in model.weights().items()}
    parameters = list(model.module.parameters())
    slopes = torch.autograd.grad(contrastive_soft(model, batch), parameters, allow_unused=True)
    steps = climb(parameters, list(slopes), 0.5)
    top = model.clone()
    with torch.no_grad():
        for parameter, step in zip(top.module.parameters(), steps, strict=True):
            parameter.add_(step)
    expected = gradients(top, contrastive_soft(top, batch))
    found = gradients(model, sharpness_aware(contrastive_soft, 0.5)(model, batch))
    assert all(torch.equal(value, start[name]) for name, value in model.weights().items())
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-5, rtol=1e-3)


def test_the_climb_has_the_adaptive_length():
    weight, slope = torch.tensor([3.0, -1.0]), torch.tensor([2.0, 4.0])
    (step,) = climb([torch.nn.Parameter(weight)], [slope], 2.0)
    norm = ((3 * 2.0) ** 2 + (1 * 4.0) ** 2) ** 0.5
    torch.testing.assert_close(step, 2.0 * weight.square() * slope / norm)


def test_batch_norm_sees_only_the_first_pass_of_a_sharpness_aware_step(resnet, pairs, pixels):
    batch = Batch(pixels, resnet.tokenize(pairs.captions), None, pairs.ids, torch.arange(len(pairs)))
    plain = resnet.clone()
    for model, loss in ((plain, contrastive_soft), (resnet, sharpness_aware(contrastive_soft, 2.0))):
        set_training_mode(model.module, "train")
        loss(model, batch)
    statistics = resnet.module.visual.bn1.running_mean
    torch.testing.assert_close(statistics, plain.module.visual.bn1.running_mean)
    assert resnet.module.visual.bn1.momentum == 0.1


def test_attention_distillation_costs_nothing_when_the_student_is_the_teacher(model, batch, pixels):
    layers = spatial_layers(frozen(model), pixels[:1])
    assert len(layers) == 3
    other = frozen(model)
    with torch.no_grad():
        for parameter in other.module.visual.parameters():
            parameter.mul_(1.1)
        task = float(contrastive_soft(model, batch))
        same = float(Nad().objective(frozen(model), layers)(model, batch))
        different = float(Nad().objective(other, layers)(model, batch))
    assert same == pytest.approx(task, rel=1e-5)
    assert different > task


def test_attention_maps_have_unit_norm_and_ignore_the_scale():
    activation = torch.rand(2, 3, 4, 5)
    found = attention_map(activation)
    assert found.shape == (2, 12)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2))
    torch.testing.assert_close(found, attention_map(7 * activation))


def test_fine_pruned_units_stay_removed_while_the_rest_is_tuned(model, context, pairs):
    layers = output_layers(model)[-1:]
    defense, granted = FinePruning(agreement=0.5, share_step=0.25, epochs=1), context(clean_pairs=pairs)
    gone = defense.units(model, granted, layers)[layers[0].name]
    assert len(gone) >= layers[0].count // 4
    for _, found in defense(model, granted):
        for name, dim in layers[0].zeroed:
            assert not found.module.get_parameter(name).movedim(dim, 0)[gone].any()
    name = layers[0].zeroed[0][0]
    assert not torch.equal(found.module.get_parameter(name), model.module.get_parameter(name))


def test_two_groups_of_numbers_are_split_at_the_gap():
    values = torch.tensor([0.1, 5.0, 0.2, 4.0, 0.15, 4.5])
    assert upper_group(values).nonzero().flatten().tolist() == [1, 3, 5]


def test_activation_tuning_has_nothing_to_do_for_a_trigger_that_changes_nothing(model, batch):
    class Nothing:
        target = "heart"

        def trigger(self, images, ids):
            return images

    units = {layer.name: torch.ones(layer.count, dtype=torch.bool) for layer in block_layers(model)[1:]}
    with torch.no_grad():
        assert float(InverTune().objective(frozen(model), Nothing(), units)(model, batch)) == pytest.approx(0, abs=1e-3)


def test_prompts_are_all_that_prompt_tuning_changes(vit, context, pairs):
    granted = context(clean_pairs=pairs, labels=pairs.labels)
    points = list(Rvpt(epochs=2, steps=1, shots=1, prompts=4)(vit, granted))
    ((strength, found),) = points
    before, after = vit.weights(), found.weights()
    assert strength == 2
    assert after.keys() - before.keys() == {"visual.transformer.prompts"}
    assert all(torch.equal(after[name], value) for name, value in before.items())


@torch.no_grad()
def test_prompts_reach_the_output_and_only_from_their_block_on(vit, pixels):
    copy = prompted(vit, count=3, start=2, deviation=1.0, seed=0)
    assert copy.weights()["visual.transformer.prompts"].shape == (2, 3, 128)
    assert not torch.allclose(copy.image_features(pixels), vit.image_features(pixels))
    silent = copy.with_weights({"visual.transformer.prompts": torch.zeros(2, 3, 128)})
    assert not torch.allclose(silent.image_features(pixels), copy.image_features(pixels))


def test_a_resnet_takes_no_prompts(resnet, vit):
    with pytest.raises(ClipdefenseError, match="takes no visual prompts"):
        prompted(resnet, 3, 1, 0.02, 0)
    with pytest.raises(ClipdefenseError, match="takes no visual prompts"):
        prompted(prompted(vit, 3, 1, 0.02, 0), 3, 1, 0.02, 0)


def test_few_shots_are_equally_many_of_every_class():
    labels = torch.arange(50) % 5
    rows = few_shot_rows(labels, 4, seed=1)
    assert labels[rows].bincount().tolist() == [4] * 5
    assert len(rows.unique()) == 20
    assert not torch.equal(rows, few_shot_rows(labels, 4, seed=2))
