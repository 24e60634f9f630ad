"""Every rule for data sets catches the fault that it is there for, and a faithful data set passes."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from benchmark.contract import ContractViolation, dataset_checks, run_checks
from benchmark.errors import UserError
from benchmark.seeds import derive, image_ids
from benchmark.types import Pairs


@dataclass(frozen=True, kw_only=True)
class Faithful:
    """Noise with two labels."""

    name = "noise"
    class_names = ("dark", "light")
    templates = ("a {} picture",)

    def load(self, split, count, image_size):
        count = 100 if count is None else count
        if not 1 <= count <= 100:
            raise UserError(f"dataset 'noise': split '{split}' holds 100 images, asked for {count}")
        generator = torch.Generator().manual_seed(derive("noise", split))
        images = torch.randint(0, 256, (100, 3, image_size, image_size), generator=generator, dtype=torch.uint8)
        labels = torch.arange(100) % 2
        return Pairs(
            images=images[:count],
            captions=tuple(f"a {self.class_names[label]} picture" for label in labels[:count]),
            labels=labels[:count],
            class_names=self.class_names,
            ids=torch.from_numpy(image_ids("noise", split, np.arange(count, dtype=np.int64))),
            dataset="noise",
            split=split,
        )


def broken(**members):
    return dataclass(frozen=True, kw_only=True)(type("Broken", (Faithful,), {"__doc__": "A fault.", **members}))()


def changed(**parts):
    """A data set whose pairs have some parts replaced by functions of the pairs."""

    def load(self, split, count, image_size):
        pairs = Faithful().load(split, count, image_size)
        return replace(pairs, **{name: make(pairs) for name, make in parts.items()})

    return broken(load=load)


def same_in_every_split(self, split, count, image_size):
    ids = Faithful().load(split, count, image_size).ids
    return replace(Faithful().load("train", count, image_size), split=split, ids=ids)


def depends_on_the_count(self, split, count, image_size):
    pairs = Faithful().load(split, None, image_size)
    return pairs.take(torch.arange(count).flip(0)) if count else Faithful().load(split, count, image_size)


def unseeded(pairs):
    return torch.randint(0, 256, pairs.images.shape, dtype=torch.uint8)


def never_refuses(self, split, count, image_size):
    return Faithful().load(split, count or None, image_size)


def refuses_without_a_name(self, split, count, image_size):
    if not count:
        raise UserError("no")
    return Faithful().load(split, count, image_size)


CASES = [
    ("name_is_text", broken(name="")),
    ("class_names_are_distinct", broken(class_names=("dark", "dark"))),
    ("class_names_are_distinct", broken(class_names=["dark", "light"])),
    ("templates_hold_one_place", broken(templates=("a picture",))),
    ("templates_hold_one_place", broken(templates=())),
    ("splits_hold_what_was_asked_for", changed(images=lambda pairs: pairs.images.float())),
    ("splits_hold_what_was_asked_for", changed(images=lambda pairs: pairs.images[:, :, :16])),
    ("splits_hold_what_was_asked_for", changed(captions=lambda pairs: pairs.captions[1:])),
    ("splits_hold_what_was_asked_for", changed(captions=lambda pairs: ("", *pairs.captions[1:]))),
    ("splits_hold_what_was_asked_for", changed(split=lambda pairs: "all")),
    ("splits_hold_what_was_asked_for", changed(class_names=lambda pairs: ("light", "dark"))),
    ("labels_are_classes", changed(labels=lambda pairs: None)),
    ("labels_are_classes", changed(labels=lambda pairs: pairs.labels + 1)),
    ("labels_are_classes", changed(labels=lambda pairs: pairs.labels.float())),
    ("splits_are_disjoint", changed(ids=lambda pairs: torch.arange(len(pairs)))),
    ("splits_are_disjoint", broken(load=same_in_every_split)),
    ("loading_is_deterministic", changed(images=unseeded)),
    ("loading_leaves_global_generators", changed(images=unseeded)),
    ("fewer_are_the_first_of_more", broken(load=depends_on_the_count)),
    ("refuses_a_count_of_zero", broken(load=never_refuses)),
    ("refuses_a_count_of_zero", broken(load=refuses_without_a_name)),
]
RULES_OF_EVERY_PLUGIN = {
    "exceptions_are_known",
    "is_frozen_dataclass",
    "fields_are_keyword_only",
    "fields_are_scalars_with_defaults",
    "contract_settings_are_fields",
    "builds_without_arguments",
}


@pytest.mark.parametrize(("name", "dataset"), CASES, ids=[f"{n}-{name}" for n, (name, _) in enumerate(CASES)])
def test_the_check_catches_its_fault(name, dataset):
    check = next(check for check in dataset_checks(dataset) if check.name == name)
    with pytest.raises(ContractViolation, match="dataset 'Broken'"):
        check.run()


def test_a_faithful_data_set_passes_every_check():
    assert [outcome for outcome in run_checks(dataset_checks(Faithful())) if outcome.error] == []


def test_data_that_is_elsewhere_is_not_fetched():
    def load(self, split, count, image_size):
        raise AssertionError("the data set was read")

    elsewhere = broken(load=load, at_hand=False)
    names = [outcome.name for outcome in run_checks(dataset_checks(elsewhere)) if not outcome.error]
    assert "name_is_text" in names and "splits_are_disjoint" not in names
    assert len(names) == len(dataset_checks(elsewhere)) < len(dataset_checks(Faithful()))


def test_every_check_has_a_fault_that_it_catches():
    names = {check.name for check in dataset_checks(Faithful())}
    assert names == {name for name, _ in CASES} | RULES_OF_EVERY_PLUGIN
