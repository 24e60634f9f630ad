import pytest
import torch

from benchmark.pruning import pruned, unit_statistics
from benchmark.units import channel_layers, head_layers, hidden_layers, inner_layers, output_layers, stage_layers
from defenses.pruning import Pruning


def _features_with_silenced(model, module_name, units, unit_dim, pixels):
    """The model's features when a hook writes zeros over some units of a module's output."""

    def silence(module, inputs, output):
        changed = output.clone()
        changed.movedim(unit_dim, -1)[..., units] = 0.0
        return changed

    handle = model.module.get_submodule(module_name).register_forward_hook(silence)
    features = model.image_features(pixels)
    handle.remove()
    return features


@torch.no_grad()
def test_pruned_channels_and_hidden_units_equal_a_forward_pass_without_them(model, pixels):
    for layer in inner_layers(model)[::3]:
        units = torch.arange(0, layer.count, 2)
        expected = _features_with_silenced(model, layer.gate, units, layer.unit_dim, pixels)
        found = pruned(model, [layer], {layer.name: units}).image_features(pixels)
        torch.testing.assert_close(found, expected)
        assert not torch.allclose(found, model.image_features(pixels))


@torch.no_grad()
def test_pruned_stage_channels_are_silent_behind_the_stage(resnet, pixels):
    for layer in stage_layers(resnet):
        units = torch.arange(3, layer.count, 2)
        expected = _features_with_silenced(resnet, layer.probe, units, 1, pixels)
        torch.testing.assert_close(pruned(resnet, [layer], {layer.name: units}).image_features(pixels), expected)


@torch.no_grad()
def test_a_vit_block_without_heads_adds_only_the_output_bias(vit, pixels):
    layer = head_layers(vit)[1]
    found = pruned(vit, [layer], {layer.name: torch.arange(layer.count)})
    bias = vit.module.get_submodule(layer.name).out_proj.bias
    handle = vit.module.get_submodule(layer.name).register_forward_hook(
        lambda module, inputs, output: (torch.zeros_like(output[0]) + bias, None)
    )
    expected = vit.image_features(pixels)
    handle.remove()
    torch.testing.assert_close(found.image_features(pixels), expected)


@torch.no_grad()
def test_one_head_is_removed_alone(vit):
    layer = head_layers(vit)[0]
    weight = pruned(vit, [layer], {layer.name: torch.tensor([1])}).module.get_parameter(layer.zeroed[0][0])
    silent = (weight == 0).all(dim=0)
    assert silent.nonzero().flatten().tolist() == list(range(layer.width, 2 * layer.width))


def test_layers_cover_the_whole_tower(resnet, vit):
    assert len(channel_layers(resnet)) == 3 + 4 * 4
    assert len(hidden_layers(vit)) == 4 and not channel_layers(vit)
    assert not hidden_layers(resnet)
    for layer in [*channel_layers(resnet), *stage_layers(resnet), *hidden_layers(vit)]:
        for name, dim in layer.zeroed:
            owner = resnet if layer.kind in ("channels", "stage") else vit
            assert owner.module.get_parameter(name).shape[dim] == layer.count


@torch.no_grad()
def test_statistics_do_not_depend_on_batching(model, pairs, monkeypatch):
    layers = output_layers(model)
    whole = unit_statistics(model, pairs.images, layers)
    monkeypatch.setattr("benchmark.pruning.ENCODE_BATCH", 7)
    for name, values in unit_statistics(model, pairs.images, layers).items():
        torch.testing.assert_close(values, whole[name])


@torch.no_grad()
def test_units_that_clean_images_leave_silent_go_first(model, context, pairs, pixels):
    layer = output_layers(model)[-1]
    wounded = pruned(model, [layer], {layer.name: torch.tensor([1, 5, 8])})
    dead = int((unit_statistics(wounded, pairs.images, [layer])[layer.name] == 0).sum())
    assert dead >= 3
    for extra in (0, 3):
        share = (dead + extra) / layer.count
        ((_, found),) = Pruning(share_max=share, share_steps=1)(wounded, context(clean_images=pairs.images))
        unchanged = torch.equal(found.image_features(pixels), wounded.image_features(pixels))
        assert unchanged == (extra == 0)


def test_every_share_is_a_point_and_the_given_model_stays(model, context, pairs):
    before = {name: value.clone() for name, value in model.weights().items()}
    points = list(Pruning(share_max=0.9, share_steps=3)(model, context(clean_images=pairs.images)))
    assert [strength for strength, _ in points] == pytest.approx([0.3, 0.6, 0.9])
    assert all(torch.equal(value, before[name]) for name, value in model.weights().items())
    layer = output_layers(model)[-1]
    zeros = [
        int((m.module.get_parameter(layer.zeroed[0][0]).flatten(1) == 0).all(1).sum())
        if layer.kind == "hidden"
        else int((m.module.get_parameter(layer.zeroed[0][0]) == 0).sum())
        for _, m in points
    ]
    assert zeros == [round(s * layer.count) for s in (0.3, 0.6, 0.9)]
