"""Every rule for inverters catches the fault that it is there for, and a faithful inverter passes."""

from dataclasses import dataclass, field
from typing import ClassVar

import pytest
import torch

from benchmark.contract import ContractViolation, inverter_checks, run_checks


@dataclass(frozen=True, kw_only=True)
class Patch:
    """What an inverter found."""

    target: str
    patch: torch.Tensor = field(repr=False)

    def trigger(self, images, ids):
        stamped = images.clone()
        stamped[:, :, :4, :4] = self.patch
        return stamped


@dataclass(frozen=True, kw_only=True)
class Bright(Patch):
    def trigger(self, images, ids):
        return images + 0.5


class Attached:
    """Keeps what it learnt where nobody looks."""

    target = "ship"

    def trigger(self, images, ids):
        return 1 - images


@dataclass(frozen=True, kw_only=True)
class Faithful:
    """Random pixels, named after the class that the model sees in them."""

    needs: ClassVar[frozenset[str]] = frozenset({"clean_images"})

    def __call__(self, model, context):
        assert len(context.clean_images) > 0
        return self.patch(context, context.seed)

    def patch(self, context, seed, kind=Patch):
        generator = torch.Generator().manual_seed(seed)
        return kind(target=context.class_names[0], patch=torch.rand(3, 4, 4, generator=generator))


def broken(call, **members):
    return dataclass(frozen=True, kw_only=True)(
        type("Broken", (Faithful,), {"__doc__": "A fault.", "__call__": call, **members})
    )()


def in_place(self, model, context):
    model.module.train()
    return self.patch(context, 0)


def writes_into_the_images(self, model, context):
    context.clean_images[0] = 0
    return self.patch(context, 0)


def unseeded(self, model, context):
    return self.patch(context, int(torch.randint(1000, ())))


def target_of_its_own(self, model, context):
    return Patch(target="banana", patch=torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(0)))


CASES = [
    ("needs_are_known", broken(Faithful.__call__, needs=frozenset({"images"}))),
    ("architectures_are_known", broken(Faithful.__call__, architectures=frozenset({"mlp"}))),
    ("returns_an_attack", broken(lambda self, model, context: torch.zeros(3, 4, 4))),
    ("returns_an_attack", broken(target_of_its_own)),
    ("returns_an_attack", broken(lambda self, model, context: context.clean_pairs)),
    ("estimate_can_be_kept", broken(lambda self, model, context: Attached())),
    ("estimate_keeps_the_trigger_rules", broken(lambda self, model, context: self.patch(context, 0, Bright))),
    ("leaves_the_model", broken(in_place)),
    ("leaves_its_resources", broken(writes_into_the_images)),
    ("is_seeded", broken(unseeded)),
    ("leaves_global_generators", broken(unseeded)),
]
RULES_OF_EVERY_PLUGIN = {
    "exceptions_are_known",
    "is_frozen_dataclass",
    "fields_are_keyword_only",
    "fields_are_scalars_with_defaults",
    "contract_settings_are_fields",
    "builds_without_arguments",
}


@pytest.mark.parametrize(("name", "inverter"), CASES, ids=[f"{n}-{name}" for n, (name, _) in enumerate(CASES)])
def test_the_check_catches_its_fault(name, inverter):
    check = next(check for check in inverter_checks(inverter) if check.name == name)
    with pytest.raises(ContractViolation, match="inverter 'Broken'"):
        check.run()


def test_a_faithful_inverter_passes_every_check():
    assert [outcome for outcome in run_checks(inverter_checks(Faithful())) if outcome.error] == []


def test_every_check_has_a_fault_that_it_catches():
    names = {check.name for check in inverter_checks(Faithful())}
    assert names == {name for name, _ in CASES} | RULES_OF_EVERY_PLUGIN
