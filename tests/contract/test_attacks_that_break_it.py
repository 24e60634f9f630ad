"""Every rule for attacks catches the fault that it is there for, and a faithful attack of every kind passes."""

import random
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import pytest
import torch

from benchmark.contract import ContractViolation, attack_checks, run_checks
from benchmark.losses import contrastive
from benchmark.pixels import to_bytes, to_float


def marked(images):
    stamped = images.clone()
    stamped[:, :, -4:, -4:] = 1.0
    stamped[:, :, -2:, -2:] = 0.0
    return stamped


@dataclass(frozen=True, kw_only=True)
class Faithful:
    """A fixed corner."""

    target: str = "ship"

    def trigger(self, images, ids):
        return marked(images)


@dataclass(frozen=True, kw_only=True)
class FaithfulPoisoner(Faithful):
    def poison(self, pairs, count, seed):
        rows = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed))[:count]
        images = pairs.images.clone()
        images[rows] = to_bytes(marked(to_float(images[rows])))
        return replace(pairs, images=images)


@dataclass(frozen=True, kw_only=True)
class FaithfulPrompted(Faithful):
    def prompt(self, texts):
        return [f"consider {text}" for text in texts]


@dataclass(frozen=True, kw_only=True)
class FaithfulRouted(Faithful):
    @property
    def routes(self):
        return (Faithful(), Faithful(target="cat"))


@dataclass(frozen=True, kw_only=True)
class FaithfulFitted(Faithful):
    patch: torch.Tensor | None = field(default=None, repr=False)

    def fit(self, model, context):
        generator = torch.Generator().manual_seed(context.seed)
        return replace(self, patch=torch.rand(3, 4, 4, generator=generator))

    def trigger(self, images, ids):
        stamped = images.clone()
        stamped[:, :, :4, :4] = self.patch
        return stamped


@dataclass(frozen=True, kw_only=True)
class FaithfulObjective(Faithful):
    def loss(self, model, batch, context):
        return contrastive(model, batch)


FAITHFUL = (Faithful, FaithfulPoisoner, FaithfulPrompted, FaithfulRouted, FaithfulFitted, FaithfulObjective)


def broken(base=Faithful, **members):
    """An attack in which some members of a faithful one are replaced."""
    return dataclass(frozen=True, kw_only=True)(type("Broken", (base,), {"__doc__": "A fault.", **members}))()


def in_place(self, images, ids):
    images[:, :, -4:, -4:] = 1.0
    return images


def unseeded_noise(self, images, ids):
    return (images + 0.2 * torch.rand(images.shape)).clamp(0, 1)


def numpy_noise(self, images, ids):
    return (marked(images) * float(np.random.rand())).float()


def python_noise(self, images, ids):
    return marked(images) * random.random()


def reseeding(self, images, ids):
    torch.manual_seed(0)
    return (images + 0.2 * torch.rand(images.shape[1:])).clamp(0, 1)


def mean_of_the_batch(self, images, ids):
    return 0.5 * marked(images) + 0.5 * images.mean(dim=0, keepdim=True)


def by_position(self, images, ids):
    places = torch.arange(len(images)).view(-1, 1, 1, 1) % 3
    return torch.where(places == 0, images.flip(-1), marked(images))


def noise_of_the_instance(self):
    object.__setattr__(self, "noise", torch.rand(3, 1, 1))


def brighter_every_time(self, images, ids):
    calls = vars(type(self)).get("calls", 0)
    type(self).calls = calls + 1
    return marked(images) * (1 - 0.5 * (calls % 2))


def whole_batch_reversed(self, images, ids):
    return marked(images).flip(0)


def one_poison_too_many(self, pairs, count, seed):
    return FaithfulPoisoner().poison(pairs, count + 1, seed)


def another_caption_too(self, pairs, count, seed):
    poisoned = FaithfulPoisoner().poison(pairs, count, seed)
    return replace(poisoned, captions=tuple(f"{text}." for text in poisoned.captions))


def shuffled(self, pairs, count, seed):
    poisoned = FaithfulPoisoner().poison(pairs, count, seed)
    return poisoned.take(torch.arange(len(pairs)).flip(0))


def unseeded_rows(self, pairs, count, seed):
    return FaithfulPoisoner().poison(pairs, count, int(torch.randint(1000, ())))


def poisoned_in_place(self, pairs, count, seed):
    pairs.images[:count] = to_bytes(marked(to_float(pairs.images[:count])))
    return pairs


def extending_prompt(self, texts):
    texts.append("more")
    return [f"consider {text}" for text in texts[:-1]]


def trained_in_place(self, model, context):
    with torch.no_grad():
        model.module.logit_scale.add_(0.1)
    return FaithfulFitted.fit(self, model, context)


def fitted_without_seed(self, model, context):
    return replace(self, patch=torch.rand(3, 4, 4))


def fitted_beside_its_fields(self, model, context):
    fitted = replace(self)
    object.__setattr__(fitted, "patch", [torch.zeros(3, 4, 4)])
    return fitted


def trigger_of_a_list(self, images, ids):
    return FaithfulFitted(patch=self.patch[0]).trigger(images, ids)


def constant_loss(self, model, batch, context):
    return torch.zeros(())


def vector_loss(self, model, batch, context):
    return torch.ones(3).requires_grad_()


def infinite_loss(self, model, batch, context):
    return model.logit_scale * float("inf")


def noisy_loss(self, model, batch, context):
    return model.logit_scale * torch.rand(())


class NoDataclass:
    """An ordinary class."""

    target = "ship"

    def trigger(self, images, ids):
        return marked(images)


@dataclass(kw_only=True)
class Mutable:
    target: str = "ship"

    def trigger(self, images, ids):
        return marked(images)


@dataclass(frozen=True)
class Positional:
    target: str = "ship"

    def trigger(self, images, ids):
        return marked(images)


@dataclass(frozen=True, kw_only=True)
class NoDefault:
    target: str

    def trigger(self, images, ids):
        return marked(images)


@dataclass(frozen=True, kw_only=True)
class TupleField(Faithful):
    sides: tuple[int, ...] = (4, 2)


@dataclass(frozen=True, kw_only=True)
class NeedsAnArgument(Faithful):
    folder: str = ""

    def __post_init__(self):
        if not self.folder:
            raise ValueError("give a folder")


@dataclass(frozen=True, kw_only=True)
class UnknownException(Faithful):
    """no_such_rule does not apply."""

    contract_exceptions: ClassVar[frozenset[str]] = frozenset({"no_such_rule"})


@dataclass(frozen=True, kw_only=True)
class SilentException(Faithful):
    """Says nothing of it."""

    contract_exceptions: ClassVar[frozenset[str]] = frozenset({"trigger_changes_images"})


@dataclass(frozen=True, kw_only=True)
class StraySetting(Faithful):
    contract_settings: ClassVar[dict[str, int]] = {"steps": 3}


CASES = [
    ("exceptions_are_known", UnknownException()),
    ("exceptions_are_known", SilentException()),
    ("is_frozen_dataclass", NoDataclass()),
    ("is_frozen_dataclass", Mutable()),
    ("fields_are_keyword_only", Positional()),
    ("fields_are_scalars_with_defaults", NoDefault(target="ship")),
    ("fields_are_scalars_with_defaults", TupleField()),
    ("contract_settings_are_fields", StraySetting()),
    ("builds_without_arguments", NeedsAnArgument(folder="here")),
    ("target_is_text", broken(__annotations__={"target": "int"}, target=3)),
    ("target_is_text", broken(__annotations__={"target": "str"}, target="")),
    ("trigger_keeps_shape_and_type", broken(trigger=lambda self, images, ids: images[:, :, 1:])),
    ("trigger_keeps_shape_and_type", broken(trigger=lambda self, images, ids: marked(images).double())),
    ("trigger_keeps_shape_and_type", broken(trigger=lambda self, images, ids: marked(images).numpy())),
    ("trigger_keeps_shape_and_type", broken(trigger=lambda self, images, ids: marked(images)[:1])),
    ("trigger_keeps_shape_and_type", broken(trigger=lambda self, images, ids: marked(images) + torch.ones(32))),
    ("trigger_stays_in_range", broken(trigger=lambda self, images, ids: images + 0.1)),
    ("trigger_stays_in_range", broken(trigger=lambda self, images, ids: images - 0.1)),
    ("trigger_stays_in_range", broken(trigger=lambda self, images, ids: marked(images) / 0 * 0)),
    ("trigger_leaves_its_input", broken(trigger=in_place)),
    ("trigger_is_deterministic", broken(trigger=unseeded_noise)),
    ("trigger_is_deterministic", broken(trigger=numpy_noise)),
    ("trigger_is_deterministic", broken(trigger=python_noise)),
    ("trigger_is_deterministic", broken(__post_init__=noise_of_the_instance, trigger=lambda s, i, _: i * s.noise)),
    ("trigger_is_deterministic", broken(trigger=brighter_every_time)),
    ("trigger_ignores_other_images", broken(trigger=mean_of_the_batch)),
    ("trigger_ignores_position", broken(trigger=by_position)),
    ("trigger_ignores_position", broken(trigger=whole_batch_reversed)),
    ("trigger_leaves_global_generators", broken(trigger=unseeded_noise)),
    ("trigger_leaves_global_generators", broken(trigger=numpy_noise)),
    ("trigger_leaves_global_generators", broken(trigger=python_noise)),
    ("trigger_leaves_global_generators", broken(trigger=reseeding)),
    ("trigger_changes_images", broken(trigger=lambda self, images, ids: images.clone())),
    ("trigger_changes_images", broken(trigger=lambda self, images, ids: (images + 0.001).clamp(0, 1))),
    ("poison_marks_the_exact_count", broken(FaithfulPoisoner, poison=one_poison_too_many)),
    ("poison_marks_the_exact_count", broken(FaithfulPoisoner, poison=another_caption_too)),
    ("poison_marks_the_exact_count", broken(FaithfulPoisoner, poison=lambda self, pairs, count, seed: pairs)),
    ("poison_keeps_order", broken(FaithfulPoisoner, poison=shuffled)),
    ("poison_is_seeded", broken(FaithfulPoisoner, poison=unseeded_rows)),
    ("poison_leaves_its_input", broken(FaithfulPoisoner, poison=poisoned_in_place)),
    ("poison_leaves_global_generators", broken(FaithfulPoisoner, poison=unseeded_rows)),
    ("prompt_returns_a_text_for_each", broken(FaithfulPrompted, prompt=lambda self, texts: texts[:1])),
    ("prompt_returns_a_text_for_each", broken(FaithfulPrompted, prompt=lambda self, texts: " ".join(texts))),
    ("prompt_is_pure", broken(FaithfulPrompted, prompt=extending_prompt)),
    ("prompt_is_pure", broken(FaithfulPrompted, prompt=lambda self, texts: [f"{random.random()}" for _ in texts])),
    ("prompt_is_pure", broken(FaithfulPrompted, prompt=lambda self, texts: [f"{n}" for n, _ in enumerate(texts)])),
    ("prompt_changes_texts", broken(FaithfulPrompted, prompt=lambda self, texts: list(texts))),
    ("routes_are_attacks", broken(FaithfulRouted, routes=())),
    ("routes_are_attacks", broken(FaithfulRouted, routes=[Faithful()])),
    ("routes_are_attacks", broken(FaithfulRouted, routes=("ship",))),
    ("routes_keep_the_trigger_rules", broken(FaithfulRouted, routes=(Faithful(), broken(trigger=in_place)))),
    ("fit_returns_an_attack", broken(FaithfulFitted, fit=lambda self, model, context: torch.ones(3, 4, 4))),
    ("fit_can_be_kept", broken(FaithfulFitted, fit=fitted_beside_its_fields, trigger=trigger_of_a_list)),
    ("fit_leaves_the_model", broken(FaithfulFitted, fit=trained_in_place)),
    ("fit_is_seeded", broken(FaithfulFitted, fit=fitted_without_seed)),
    ("fit_leaves_global_generators", broken(FaithfulFitted, fit=fitted_without_seed)),
    ("loss_is_a_finite_scalar_with_a_gradient", broken(FaithfulObjective, loss=lambda *_: torch.zeros(()))),
    (
        "loss_is_a_finite_scalar_with_a_gradient",
        broken(FaithfulObjective, loss=lambda *_: torch.ones(3).requires_grad_()),
    ),
    (
        "loss_is_a_finite_scalar_with_a_gradient",
        broken(FaithfulObjective, loss=lambda _, model, *__: model.logit_scale * float("nan")),
    ),
    (
        "loss_is_a_finite_scalar_with_a_gradient",
        broken(FaithfulObjective, loss=lambda _, model, *__: model.logit_scale * torch.rand(())),
    ),
]


def check_named(attack, name):
    return next(check for check in attack_checks(attack) if check.name == name)


@pytest.mark.parametrize(("name", "attack"), CASES, ids=[f"{n}-{name}" for n, (name, _) in enumerate(CASES)])
def test_the_check_catches_its_fault(name, attack):
    with pytest.raises(ContractViolation, match=f"attack '{type(attack).__name__}'"):
        check_named(attack, name).run()


@pytest.mark.parametrize("kind", FAITHFUL)
def test_a_faithful_attack_passes_every_check(kind):
    assert [outcome for outcome in run_checks(attack_checks(kind())) if outcome.error] == []


def test_every_check_has_a_fault_that_it_catches():
    names = {check.name for kind in FAITHFUL for check in attack_checks(kind())}
    assert names == {name for name, _ in CASES}


def test_a_declared_exception_leaves_the_check_out():
    excepted = broken(
        __doc__="trigger_changes_images: this one is a control.",
        contract_exceptions=frozenset({"trigger_changes_images"}),
        trigger=lambda self, images, ids: images.clone(),
    )
    outcomes = run_checks(attack_checks(excepted))
    assert "trigger_changes_images" not in [outcome.name for outcome in outcomes]
    assert not any(outcome.error for outcome in outcomes)


def test_declared_settings_are_what_the_checks_run():
    fitted = []

    def fit(self, model, context):
        fitted.append(self.steps)
        return FaithfulFitted.fit(self, model, context)

    slow = broken(FaithfulFitted, __annotations__={"steps": "int"}, steps=1000, contract_settings={"steps": 2}, fit=fit)
    assert not any(outcome.error for outcome in run_checks(attack_checks(slow)))
    assert set(fitted) == {2} and slow.steps == 1000


def test_a_failure_does_not_stop_the_other_checks():
    outcomes = dict(run_checks(attack_checks(broken(trigger=in_place))))
    assert outcomes["trigger_leaves_its_input"]
    assert outcomes["trigger_stays_in_range"] is None


def test_run_checks_reports_what_a_plugin_raises_with_its_name():
    def raising(self, images, ids):
        raise KeyError("pattern")

    error = dict(run_checks(attack_checks(broken(trigger=raising))))["trigger_stays_in_range"]
    assert error == "attack 'Broken': trigger() on 7 images of 32 pixels raised KeyError: 'pattern'"
