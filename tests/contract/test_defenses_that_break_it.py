"""Every rule for defenses catches the fault that it is there for, and faithful defenses pass."""

import random
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

from benchmark.contract import ContractViolation, defense_checks, run_checks


def noisy(model, seed, share=1e-3):
    """A clone with seeded noise on its weights."""
    twin, generator = model.clone(), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in twin.module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * share)
    return twin


@dataclass(frozen=True, kw_only=True)
class Faithful:
    """Three seeded perturbations."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, model, context):
        for step in (1, 2, 3):
            yield float(step), noisy(model, context.seed + step)


@dataclass(frozen=True, kw_only=True)
class FaithfulTraining:
    """Trains on every resource that a defense may ask for."""

    needs: ClassVar[frozenset[str]] = frozenset(
        {
            "clean_pairs",
            "clean_images",
            "labels",
            "target",
            "trigger",
            "triggered_pairs",
            "reference_model",
            "sibling_models",
            "training_pairs",
        }
    )

    def __call__(self, model, context):
        labels, images = context.clean_pairs.labels, context.clean_images
        assert labels is not None and len(images) == len(labels)
        assert context.target in context.class_names and context.trigger.target == context.target
        assert all(context.target in caption for caption in context.triggered_pairs.captions)
        assert len({id(context.reference_model), *map(id, context.sibling_models)}) == 3
        assert len(context.training_pairs) >= 2
        yield from enumerate(context.train(model, context.clean_pairs, epochs=2), start=1)


@dataclass(frozen=True, kw_only=True)
class FaithfulForTransformers:
    """Works on transformers alone, and says so."""

    needs: ClassVar[frozenset[str]] = frozenset()
    architectures: ClassVar[frozenset[str]] = frozenset({"vit"})

    def __call__(self, model, context):
        twin = model.clone()
        with torch.no_grad():
            twin.module.visual.class_embedding.mul_(0.5)
        yield 1.0, twin


def broken(call=None, **members):
    """A defense in which some members of a faithful one are replaced."""
    if call is not None:
        members["__call__"] = call
    return dataclass(frozen=True, kw_only=True)(type("Broken", (Faithful,), {"__doc__": "A fault.", **members}))()


def strengths(*values):
    def call(self, model, context):
        for value in values:
            yield value, model

    return broken(call)


def after(change):
    """A defense that does something to the model it was given and then yields a clone."""

    def call(self, model, context):
        change(model)
        yield 1.0, model.clone()

    return broken(call)


def train_in_place(model):
    loss = model.encode_images(torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))).sum()
    loss.backward()
    with torch.no_grad():
        for parameter in model.module.parameters():
            if parameter.grad is not None:
                parameter.sub_(0.1 * parameter.grad)
                parameter.grad = None


def move_statistics(model):
    model.module.train()
    with torch.no_grad():
        model.encode_images(torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    model.module.eval()


def leave_a_gradient(model):
    model.logit_scale.backward()


def with_weight(model, value):
    twin = model.clone()
    with torch.no_grad():
        twin.module.visual.state_dict()["conv1.weight" if "tiny-resnet" in twin.spec.name else "proj"].fill_(value)
    return twin


def shared_model(self, model, context):
    twin = model.clone()
    for step in (1, 2):
        with torch.no_grad():
            twin.module.logit_scale.add_(0.1)
        yield float(step), twin


def writes_into_the_reference(self, model, context):
    with torch.no_grad():
        context.reference_model.module.logit_scale.add_(0.1)
    yield 1.0, model.clone()


def writes_into_the_pairs(self, model, context):
    context.clean_pairs.images[0] = 0
    yield 1.0, model.clone()


def torch_noise(self, model, context):
    yield 1.0, noisy(model, int(torch.randint(1000, ())))


def numpy_noise(self, model, context):
    yield 1.0, noisy(model, np.random.randint(1000))


def python_noise(self, model, context):
    yield 1.0, noisy(model, random.randrange(1000))


def python_strength(self, model, context):
    yield random.random(), model.clone()


def reseeding(self, model, context):
    torch.manual_seed(context.seed)
    yield 1.0, noisy(model, int(torch.randint(1000, ())))


def labels_without_leave(self, model, context):
    assert context.clean_pairs.labels[0] >= 0
    yield 1.0, model.clone()


def resnets_only(self, model, context):
    assert model.module.visual.layer1 is not None
    yield 1.0, model.clone()


def bare_module(self, model, context):
    yield 1.0, model.module


def point_of_three(self, model, context):
    yield 1.0, model.clone(), "a remark"


def yields_nothing(self, model, context):
    yield from ()


CLEAN = frozenset({"clean_pairs"})
CASES = [
    ("needs_are_known", broken(needs=frozenset({"trigger_pairs"}))),
    ("needs_are_known", broken(needs="clean_pairs")),
    ("needs_are_known", broken(needs=None)),
    ("architectures_are_known", broken(architectures=frozenset({"cnn"}))),
    ("architectures_are_known", broken(architectures="vit")),
    ("architectures_are_known", broken(architectures=frozenset())),
    ("runs_with_declared_resources_alone", broken(lambda _, model, context: [(1.0, context.clean_pairs)])),
    ("runs_with_declared_resources_alone", broken(lambda _, model, context: [(1.0, context.resources["target"])])),
    ("runs_with_declared_resources_alone", broken(labels_without_leave, needs=CLEAN)),
    ("runs_with_declared_resources_alone", broken(resnets_only)),
    ("runs_with_declared_resources_alone", broken(lambda _, model, context: model)),
    ("yields_points", broken(yields_nothing)),
    ("yields_points", broken(bare_module)),
    ("yields_points", broken(point_of_three)),
    ("yields_points", broken(lambda _, model, context: [(1.0, with_weight(model, float("nan")))])),
    ("yields_points", broken(lambda _, model, context: [(1.0, with_weight(model, 3e38))])),
    ("strengths_increase", strengths(2.0, 1.0)),
    ("strengths_increase", strengths(1.0, 1.0)),
    ("strengths_increase", strengths(1.0, float("inf"))),
    ("strengths_increase", strengths(float("nan"))),
    ("strengths_increase", strengths("1")),
    ("leaves_the_model", after(train_in_place)),
    ("leaves_the_model", after(move_statistics)),
    ("leaves_the_model", after(leave_a_gradient)),
    ("leaves_the_model", after(lambda model: model.module.train())),
    ("leaves_the_model", after(lambda model: model.module.visual.requires_grad_(False))),
    ("leaves_the_model", after(lambda model: model.module.visual.register_forward_hook(print))),
    ("leaves_its_resources", broken(writes_into_the_reference, needs=frozenset({"reference_model"}))),
    ("leaves_its_resources", broken(writes_into_the_pairs, needs=CLEAN)),
    ("leaves_yielded_points", broken(shared_model)),
    ("is_seeded", broken(torch_noise)),
    ("is_seeded", broken(numpy_noise)),
    ("is_seeded", broken(python_noise)),
    ("is_seeded", broken(python_strength)),
    ("leaves_global_generators", broken(torch_noise)),
    ("leaves_global_generators", broken(numpy_noise)),
    ("leaves_global_generators", broken(python_noise)),
    ("leaves_global_generators", broken(reseeding)),
]
RULES_OF_EVERY_PLUGIN = {
    "exceptions_are_known",
    "is_frozen_dataclass",
    "fields_are_keyword_only",
    "fields_are_scalars_with_defaults",
    "contract_settings_are_fields",
    "builds_without_arguments",
}


@pytest.mark.parametrize(("name", "defense"), CASES, ids=[f"{n}-{name}" for n, (name, _) in enumerate(CASES)])
def test_the_check_catches_its_fault(name, defense):
    check = next(check for check in defense_checks(defense) if check.name == name)
    with pytest.raises(ContractViolation, match="defense 'Broken'"):
        check.run()


@pytest.mark.parametrize("kind", [Faithful, FaithfulTraining, FaithfulForTransformers])
def test_a_faithful_defense_passes_every_check(kind):
    assert [outcome for outcome in run_checks(defense_checks(kind())) if outcome.error] == []


def test_every_check_has_a_fault_that_it_catches():
    names = {check.name for check in defense_checks(Faithful())}
    assert names == {name for name, _ in CASES} | RULES_OF_EVERY_PLUGIN


def test_an_undeclared_resource_is_named_with_the_remedy():
    defense = broken(lambda _, model, context: [(1.0, context.clean_pairs)])
    error = dict(run_checks(defense_checks(defense)))["runs_with_declared_resources_alone"]
    assert "'clean_pairs' without declaring it; add 'clean_pairs' to its 'needs'" in error


def test_a_misspelt_need_gets_a_suggestion():
    outcomes = dict(run_checks(defense_checks(broken(needs=frozenset({"trigger_pairs"})))))
    assert "did you mean 'triggered_pairs'?" in outcomes["needs_are_known"]


def test_the_rules_of_every_plugin_hold_for_defenses_too():
    @dataclass
    class Loose:
        alphas: tuple = (1.0,)
        needs = frozenset()

        def __call__(self, model, context):
            yield 1.0, model

    failed = {outcome.name for outcome in run_checks(defense_checks(Loose())) if outcome.error}
    assert failed == {"is_frozen_dataclass", "fields_are_keyword_only", "fields_are_scalars_with_defaults"}
