"""Gates, learnt masks, and the pruning defenses that score units or weights."""

import pytest
import torch

from benchmark.masking import MaskTraining, below, gated, learnt_masks
from benchmark.pruning import pruned
from benchmark.units import channel_layers, head_layers, hidden_layers, inner_layers, late_layers
from defenses.anp import Anp
from defenses.clp import Clp, head_bounds
from defenses.rnp import Rnp
from defenses.tac import Tac, activated_change
from defenses.wanda import Wanda, input_norms, lowest_zeroed


@torch.no_grad()
def test_gates_of_ones_are_the_identity(model, pixels):
    layers = inner_layers(model)
    ones = {layer.name: torch.ones(layer.count) for layer in layers}
    expected = model.image_features(pixels)
    with gated(model, layers, ones, ones):
        torch.testing.assert_close(model.image_features(pixels), expected, atol=1e-4, rtol=1e-4)
    assert torch.equal(model.image_features(pixels), expected)


@torch.no_grad()
def test_gates_of_zeros_are_pruning(model, pixels):
    layers = inner_layers(model)
    gates = {layer.name: (torch.arange(layer.count) % 3 > 0).float() for layer in layers}
    with gated(model, layers, gates, gates):
        found = model.image_features(pixels)
    torch.testing.assert_close(
        found, pruned(model, layers, below(gates, 0.0)).image_features(pixels), atol=1e-4, rtol=1e-4
    )


@torch.no_grad()
def test_a_batch_norm_gate_scales_weight_and_bias_apart(resnet, pixels):
    layer = channel_layers(resnet)[4]
    scale, shift = torch.linspace(0.2, 1.5, layer.count), torch.linspace(1.4, 0.3, layer.count)
    norm = resnet.module.get_submodule(layer.name)
    changed = {f"{layer.name}.weight": norm.weight * scale, f"{layer.name}.bias": norm.bias * shift}
    expected = resnet.with_weights(changed)
    expected.module.eval()
    with gated(resnet, [layer], {layer.name: scale}, {layer.name: shift}):
        torch.testing.assert_close(resnet.image_features(pixels), expected.image_features(pixels), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("radius", [0.0, 0.4])
def test_masks_leave_the_weights_and_stay_in_range(model, pairs, radius):
    layers, before = inner_layers(model), {name: value.clone() for name, value in model.weights().items()}

    def loss(student, images, labels):
        return student.encode_images(images)[:, 0].mean()

    how = MaskTraining(iterations=2, learning_rate=5.0, batch_size=8, clean_share=0.5, radius=radius)
    masks = learnt_masks(model, layers, pairs, loss, how, seed=0)
    again = learnt_masks(model, layers, pairs, loss, how, seed=0)
    other = learnt_masks(model, layers, pairs, loss, how, seed=1)
    flat = torch.cat(list(masks.values()))
    assert flat.min() >= 0 and flat.max() <= 1 and (flat < 1).any()
    assert all(torch.equal(again[name], mask) for name, mask in masks.items())
    assert any(not torch.equal(other[name], mask) for name, mask in masks.items())
    assert all(torch.equal(value, before[name]) for name, value in model.weights().items())


def test_masks_fall_where_the_loss_wants_silence(model, pairs):
    layer = inner_layers(model)[-1]

    def loss(student, images, labels):
        seen = []
        handle = student.module.get_submodule(layer.gate).register_forward_hook(lambda m, i, o: seen.append(o))
        student.image_features(images)
        handle.remove()
        return seen[0].movedim(layer.unit_dim, -1)[..., :5].square().sum()

    how = MaskTraining(iterations=20, learning_rate=0.05, batch_size=8)
    mask = learnt_masks(model, [layer], pairs, loss, how, seed=0)[layer.name]
    assert mask[:5].mean() < 0.5 and (mask[5:] == 1).all()


@pytest.mark.parametrize(
    "defense", [Anp(iterations=3, learning_rate=20.0), Rnp(unlearn_epochs=1, iterations=3, learning_rate=20.0)]
)
def test_mask_pruning_removes_more_for_higher_thresholds(model, everything, defense):
    name, dim = inner_layers(model)[-1].zeroed[0]
    weights = [found.module.get_parameter(name).movedim(dim, 0) for _, found in defense(model, everything)]
    removed = [int((weight == 0).flatten(1).all(dim=1).sum()) for weight in (w.view(len(w), -1) for w in weights)]
    assert removed == sorted(removed) and removed[-1] > removed[0]


def test_without_a_cut_lipschitz_pruning_changes_nothing(model, context):
    ((strength, found),) = Clp(u_max=1e9, u_min=1e9, steps=1)(model, context())
    assert strength == pytest.approx(1e-9)
    assert all(torch.equal(value, model.weights()[name]) for name, value in found.weights().items())


@torch.no_grad()
def test_a_loud_channel_is_cut(resnet, context):
    layer = channel_layers(resnet)[5]
    loud = resnet.clone()
    loud.module.get_parameter(f"{layer.source}.weight")[7].mul_(100)
    ((_, found),) = Clp(u_max=3.0, u_min=3.0, steps=1)(loud, context())
    norm = found.module.get_submodule(layer.name)
    assert (norm.weight == 0).nonzero().flatten().tolist() == [7]
    assert norm.bias[7] == 0


@torch.no_grad()
def test_a_loud_hidden_unit_and_a_loud_head_are_found(vit):
    hidden, heads = hidden_layers(vit)[1], head_layers(vit)[1]
    loud = vit.clone()
    loud.module.get_parameter(f"{hidden.name}.c_proj.weight")[:, 3].mul_(100)
    loud.module.get_parameter(f"{heads.name}.out_proj.weight")[:, heads.width : 2 * heads.width].mul_(100)
    bounds = {layer.name: values for layer, values in Clp.bounds(loud)}
    assert int(bounds[hidden.name].argmax()) == 3
    assert int(bounds[heads.name].argmax()) == 1


@torch.no_grad()
def test_a_heads_bound_is_the_norm_of_its_linear_map(vit):
    layer = head_layers(vit)[0]
    attention = vit.module.get_submodule(layer.name)
    gain = vit.module.visual.transformer.resblocks[0].ln_1.weight
    rows = slice(2 * 128 + layer.width, 2 * 128 + 2 * layer.width)
    columns = slice(layer.width, 2 * layer.width)
    product = attention.out_proj.weight[:, columns] @ attention.in_proj_weight[rows] @ torch.diag(gain)
    torch.testing.assert_close(head_bounds(vit, layer)[1], torch.linalg.svdvals(product)[0])


def test_weights_of_the_lowest_score_go_row_by_row():
    weight, norms = torch.tensor([[3.0, -1.0, 2.0], [0.1, 5.0, -4.0]]), torch.tensor([1.0, 1.0, 0.1])
    assert lowest_zeroed(weight, norms, 1 / 3).tolist() == [[3.0, -1.0, 0.0], [0.0, 5.0, -4.0]]
    assert torch.equal(lowest_zeroed(weight, norms, 0.0), weight)


@torch.no_grad()
def test_input_norms_are_those_of_the_images(model, pairs, pixels):
    norms = input_norms(model, pairs.images)
    seen = ((pixels - model._mean) / model._std).movedim(1, -1).flatten(0, -2)
    torch.testing.assert_close(norms["visual.conv1.weight"], seen.norm(dim=0), rtol=1e-3, atol=0)


def test_weight_pruning_leaves_the_text_tower(model, context, pairs):
    ((_, found),) = Wanda(share_max=0.5, share_steps=1)(model, context(clean_images=pairs.images))
    changed = {name for name, value in found.weights().items() if not torch.equal(value, model.weights()[name])}
    assert changed and all(name.startswith("visual.") for name in changed)


@torch.no_grad()
def test_trigger_activated_change_is_zero_without_a_trigger_and_prunes_what_reacts(model, pairs, everything):
    class Nothing:
        target = "heart"

        def trigger(self, images, ids):
            return images

    layers = late_layers(model, 1)
    assert layers and len(layers) < len(inner_layers(model))
    still = activated_change(model, pairs.images, Nothing(), layers)
    assert all(not values.any() for values in still.values())
    change = activated_change(model, pairs.images, everything.trigger, layers)
    ((_, found),) = Tac(share_max=1 / layers[0].count, share_steps=1)(model, everything)
    name, dim = layers[0].zeroed[0]
    loudest = int(change[layers[0].name].argmax())
    assert not found.module.get_parameter(name).movedim(dim, 0)[loudest].any()
