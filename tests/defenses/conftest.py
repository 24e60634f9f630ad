"""Untrained tiny models with lively weights, a few images, and a context as the host would build it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from benchmark.architectures import model_spec
from benchmark.data.shapes import Shapes
from benchmark.models import Clip
from benchmark.training import overridden, train
from benchmark.types import Context, Loss, Pairs


class Square:
    """A white square in the bottom right corner."""

    target = "heart"

    def trigger(self, images: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        stamped = images.clone()
        stamped[:, :, -8:, -8:] = 1.0
        return stamped


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def lively(name: str, seed: int) -> Clip:
    """An untrained model whose one-dimensional weights are not at their initial zeros and ones."""
    model = Clip.untrained(model_spec(name), seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter_name, parameter in model.module.named_parameters():
            if parameter.ndim == 1 and parameter_name.startswith("visual."):
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    model.module.eval()
    return model


@pytest.fixture
def resnet() -> Clip:
    return lively("tiny-resnet", 0)


@pytest.fixture
def vit() -> Clip:
    return lively("tiny-vit", 0)


@pytest.fixture(params=["tiny-resnet", "tiny-vit"])
def model(request: pytest.FixtureRequest) -> Clip:
    return lively(request.param, 0)


@pytest.fixture(scope="session")
def pairs() -> Pairs:
    return Shapes().load("defender", 24, 32)


def pixels_of(pairs: Pairs) -> torch.Tensor:
    return pairs.images[torch.arange(len(pairs))].float() / 255


@pytest.fixture
def pixels(pairs: Pairs) -> torch.Tensor:
    return pixels_of(pairs)


def _bound_train(model: Clip, pairs: Pairs, *, loss: Loss | None = None, parts: Any = "both", **changes: Any):
    recipe = overridden(model.spec.finetune, **{"batch_size": 12, **changes})
    return train(model, pairs, recipe, seed=0, loss=loss, part=parts)


@pytest.fixture
def context(pairs: Pairs) -> Callable[..., Context]:
    """Builds a context that grants the named resources."""

    def build(**resources: Any) -> Context:
        return Context(
            class_names=pairs.class_names,
            templates=Shapes.templates,
            seed=0,
            device=torch.device("cpu"),
            train=_bound_train,
            resources=resources,
        )

    return build


@pytest.fixture
def everything(context: Callable[..., Context], pairs: Pairs, model: Clip) -> Context:
    """A context that grants all there is."""
    from benchmark.poisoning import forget_set

    attack = Square()
    return context(
        clean_pairs=pairs,
        clean_images=pairs.images,
        labels=pairs.labels,
        target=attack.target,
        trigger=attack,
        triggered_pairs=forget_set(attack, pairs, 12, 0, Shapes.templates),
        reference_model=lively(model.spec.name, 1),
        sibling_models=(lively(model.spec.name, 2),),
    )
