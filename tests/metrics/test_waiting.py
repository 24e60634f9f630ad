"""The host never waits for the device within an epoch: a step reads nothing back and copies nothing over."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmark.architectures import Recipe, model_spec
from benchmark.data.shapes import Shapes
from benchmark.losses import contrastive, contrastive_soft
from benchmark.models import Clip
from benchmark.training import Trainer

RECIPE = Recipe(learning_rate=1e-3, epochs=1, batch_size=8, batch_norm="train", shift=2, flip=True)


class Copies(TorchDispatchMode):
    """Notes every operation that takes a tensor from the host to the device; "meta" stands for a device."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, operation, types, arguments=(), keywords=None):
        result = operation(*arguments, **(keywords or {}))
        given = [
            value.device.type
            for value in tree_leaves((arguments, keywords))
            if isinstance(value, torch.Tensor) and value.ndim
        ]
        made = [value.device.type for value in tree_leaves(result) if isinstance(value, torch.Tensor)]
        if "cpu" in given and "meta" in made:
            self.found.append(str(operation))
        return result


@pytest.fixture
def without_data(monkeypatch):
    """A training run whose model lies on a device that has shapes and no data: reading a value back is an error."""
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self: None)  # the fused step refuses such a device

    def make(name, loss):
        model = Clip.untrained(model_spec(name), 0).to(torch.device("meta"))
        few = Shapes().load("train", 8, 32)
        return Trainer(model, few, RECIPE, loss=loss, seed=0, part="both", precision="float32")

    return make


@pytest.mark.parametrize("loss", [contrastive, contrastive_soft])
@pytest.mark.parametrize("name", ["tiny-resnet", "tiny-vit"])
def test_a_step_reads_nothing_back_and_sends_nothing_but_its_batch(without_data, name, loss):
    run = without_data(name, loss)
    parts = next(run.reads([torch.arange(8)]))()
    with Copies() as copies:
        batch = run.on_device(parts)
    assert len(copies.found) == len(parts)
    with Copies() as copies:
        found = run.step(batch, 1e-3)
    assert found.device.type == "meta"
    assert copies.found == []


def test_a_loss_that_reads_a_value_back_would_be_noticed(without_data):
    def waits(model, batch):
        return contrastive(model, batch) if float(batch.images.mean()) > 0 else model.logit_scale

    run = without_data("tiny-resnet", waits)
    batch = run.on_device(next(run.reads([torch.arange(8)]))())
    with pytest.raises(RuntimeError, match="meta"):
        run.step(batch, 1e-3)
