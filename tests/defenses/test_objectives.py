import pytest
import torch

from benchmark.objectives import evaluating, frozen, movable, triggered, with_gradients


def test_given_gradients_are_what_backward_finds():
    first, second = torch.ones(3, requires_grad=True), torch.ones(2, 2, requires_grad=True)
    gradients = torch.tensor([1.0, -2.0, 0.5]), torch.full((2, 2), 3.0)
    value = with_gradients(torch.tensor(7.0), [first, second, torch.ones(1)], [*gradients, None])
    value.backward()
    assert value.item() == 7.0
    assert torch.equal(first.grad, gradients[0]) and torch.equal(second.grad, gradients[1])


def test_evaluating_restores_every_mode(resnet):
    resnet.module.train()
    resnet.module.visual.bn1.eval()
    with evaluating(resnet):
        assert not any(module.training for module in resnet.module.modules())
    assert resnet.module.visual.bn2.training and not resnet.module.visual.bn1.training


def test_triggered_images_are_on_the_8_bit_grid_and_routes_take_turns(pairs, pixels):
    class Grey:
        target = "heart"

        def __init__(self, level):
            self.level = level

        def trigger(self, images, ids):
            return torch.full_like(images, self.level)

    class Both:
        target = "heart"
        routes = (Grey(0.1), Grey(0.7))

        def trigger(self, images, ids):
            return images

    found = triggered(Both(), pixels, pairs.ids) * 255
    assert torch.equal(found[:, 0, 0, 0].round(), torch.tensor([26.0, 178.0]).repeat(len(pixels) // 2))
    torch.testing.assert_close(found, found.round(), atol=1e-3, rtol=0)


def test_frozen_copies_take_no_gradient_and_leave_the_model(model, pixels):
    copy = frozen(model)
    assert not movable(copy)
    assert len(movable(model)) == len(list(model.module.parameters()))
    assert not copy.encode_images(pixels[:2]).requires_grad
    assert float(copy.encode_images(pixels[:2]).sum()) == pytest.approx(
        float(model.encode_images(pixels[:2]).sum().detach()), rel=1e-4
    )
