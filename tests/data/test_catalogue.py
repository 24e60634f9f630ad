"""The catalogue's entries are complete, and those whose real data are at hand load."""

import dataclasses
import inspect

import pytest
import torch
from open_clip import IMAGENET_CLASSNAMES

from benchmark.contract import dataset_checks, run_checks
from benchmark.data import captioned, catalogue
from benchmark.data.catalogue import Caltech101, Cifar10, Cifar100, EuroSat, ImageNet
from benchmark.data.collection import is_repository
from benchmark.data.labelled import Labelled
from benchmark.errors import UserError

ENTRIES = [
    item
    for module in (catalogue, captioned)
    for item in vars(module).values()
    if inspect.isclass(item) and item.__module__ == module.__name__ and item.__name__ != "Captioned"
]


def test_the_catalogue_holds_what_the_literature_measures_on():
    assert {entry().name for entry in ENTRIES} == {
        "cifar10", "cifar100", "mnist", "svhn", "gtsrb", "eurosat", "resisc45", "dtd", "stanford_cars", "sun397",
        "food101", "pets", "caltech101", "imagenet", "cc3m", "coco",
    }  # fmt: skip


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.__name__)
def test_every_entry_is_ready_without_a_network(entry):
    data = entry()
    assert is_repository(data.path)
    assert not data.at_hand
    assert len(data.fingerprint()) == 32
    assert data.templates
    assert all(template.count("{}") == 1 for template in data.templates)
    assert len(set(data.templates)) == len(data.templates)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.__name__)
def test_a_path_replaces_the_hubs_copy_and_keeps_the_name(entry, folder):
    moved = dataclasses.replace(entry(), path=str(folder))
    assert moved.name == entry().name
    assert moved.at_hand


def test_imagenet_has_openais_names_and_templates(tmp_path, parquet, encoded):
    data = ImageNet()
    assert data.class_names == tuple(IMAGENET_CLASSNAMES)
    assert data.class_names[954] == "banana"
    assert len(data.templates) == 80
    assert data.templates[0] == "a bad photo of a {}."
    names = [f"n{number:08d}" for number in range(1000)]
    for split, count in [("train", 12), ("validation", 2)]:
        parquet(tmp_path / "i" / f"{split}.parquet", [encoded(n) for n in range(count)], [954] * count, names=names)
    pairs = ImageNet(path=str(tmp_path / "i")).load("test", None, 8)
    assert pairs.labels.tolist() == [954, 954]
    assert all("banana" in caption for caption in pairs.captions)


def test_a_part_of_imagenet_is_refused(folder):
    with pytest.raises(UserError, match="has 2 classes, not 1,000"):
        ImageNet(path=str(folder), test_split="test").load("test", 3, 8)


def test_misleading_class_names_are_replaced(tmp_path, parquet, encoded):
    parquet(tmp_path / "e" / "train.parquet", [encoded(0)], [0], names=["AnnualCrop", "Forest", "SeaLake"])
    assert EuroSat(path=str(tmp_path / "e")).class_names == ("annual crop land", "Forest", "sea or lake")
    parquet(tmp_path / "c" / "train.parquet", [encoded(0)], [0], names=["cra", "maple_tree"], label_name="fine_label")
    assert Cifar100(path=str(tmp_path / "c")).class_names == ("crab", "maple tree")


def test_real_cifar10_loads(shared):
    data = Cifar10(path=shared("cifar10"))
    pairs = data.load("test", 200, 32)
    assert pairs.class_names[:3] == ("airplane", "automobile", "bird")
    assert len(pairs.labels.unique()) == 10
    assert pairs.images[torch.arange(200)].float().std() > 40
    assert data.load("test", 100, 32).captions == pairs.captions[:100]


def test_real_caltech101_keeps_the_contract(shared):
    data = Caltech101(path=shared("caltech101"))
    assert len(data.class_names) == 101
    assert "centred face" in data.class_names
    assert [outcome for outcome in run_checks(dataset_checks(data)) if outcome.error] == []


def test_real_product_photos_come_with_titles(shared):
    data = Labelled(path=shared("fashion-products"), caption_column="caption", template="a product photo of {}")
    pairs = data.load("validation", 100, 32)
    assert len(data.class_names) == 53
    assert not any(caption.startswith("a product photo of") for caption in pairs.captions)
