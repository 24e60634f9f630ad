"""Labelled data: splits, captions, class names and decoding once, from a sorted parquet set."""

import shutil
from dataclasses import replace
from itertools import chain

import pytest
import torch

from benchmark.contract import dataset_checks, run_checks
from benchmark.data import decoding
from benchmark.data.base import GENERIC_TEMPLATES, SPLITS
from benchmark.data.labelled import Labelled
from benchmark.errors import UserError
from benchmark.seeds import image_ids


@pytest.fixture
def data(folder):
    return Labelled(path=str(folder), validation_share=0.15, defender_share=0.25)


def everything(data, number_of, size=8):
    found = {}
    for split in SPLITS:
        pairs = data.load(split, None, size)
        found[split] = number_of(pairs.images[torch.arange(len(pairs))])
    return found


def test_the_splits_are_disjoint_and_complete(data, number_of):
    numbers = everything(data, number_of)
    assert {split: len(found) for split, found in numbers.items()} == {
        "train": 120,
        "defender": 50,
        "validation": 30,
        "test": 40,
    }
    assert sorted(numbers["train"] + numbers["defender"] + numbers["validation"]) == list(range(200))
    assert sorted(numbers["test"]) == list(range(1000, 1040))


def test_labels_follow_their_images(data, number_of):
    for split in SPLITS:
        pairs = data.load(split, None, 8)
        numbers = number_of(pairs.images[torch.arange(len(pairs))])
        assert pairs.labels.tolist() == [number >= 1020 or 100 <= number < 200 for number in numbers]


def test_a_sorted_source_comes_out_mixed(data):
    for split in SPLITS:
        share = data.load(split, 20, 8).labels.float().mean().item()
        assert 0.2 <= share <= 0.8


def test_fewer_pairs_are_a_prefix_even_from_another_cache(data, tmp_path):
    few, more = data.load("train", 15, 8, cache=tmp_path / "a"), data.load("train", 60, 8, cache=tmp_path / "b")
    rows = torch.arange(15)
    assert torch.equal(few.images[rows], more.images[rows])
    assert torch.equal(few.ids, more.ids[:15])
    assert few.captions == more.captions[:15]


def test_ids_are_those_of_name_split_and_source_row(data, number_of):
    for split in SPLITS:
        pairs = data.load(split, None, 8)
        numbers = torch.tensor(number_of(pairs.images[torch.arange(len(pairs))])).numpy() % 1000
        assert pairs.ids.tolist() == image_ids("sorted", split, numbers).tolist()


def test_without_a_test_split_a_part_of_the_training_rows_is_held_out(data, folder, number_of):
    (folder / "test.parquet").unlink()
    numbers = everything(replace(data, test_share=0.1), number_of)
    assert {split: len(found) for split, found in numbers.items()} == {
        "train": 100,
        "defender": 50,
        "validation": 30,
        "test": 20,
    }
    assert sorted(chain(*numbers.values())) == list(range(200))


def test_the_seed_decides_the_splits(data, number_of):
    assert everything(data, number_of)["train"] != everything(replace(data, seed=1), number_of)["train"]


def test_the_second_load_decodes_nothing(data, folder, monkeypatch):
    first = data.load("train", 50, 8)

    def never(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr(decoding, "decode", never)
    monkeypatch.setattr("benchmark.data.tables.Parquet.__init__", never)
    second = data.load("train", 40, 8)
    assert torch.equal(second.images[torch.arange(40)], first.images[torch.arange(40)])
    assert second.class_names == first.class_names


def test_what_decides_the_pixels_decides_the_entry(data, store):
    data.load("test", 5, 8)
    for other, size in [(replace(data, geometry="squash"), 8), (replace(data, seed=1), 8), (data, 9)]:
        other.load("test", 5, size)
    data.load("test", 4, 8)
    assert len(list((store / "data").iterdir())) == 4


def test_templates_do_not_decode_again(data, store):
    data.load("test", 5, 8)
    assert replace(data, template="only {}").load("test", 5, 8).captions[0].startswith("only ")
    assert len(list((store / "data").iterdir())) == 1


def test_captions_are_templates_drawn_by_id(data):
    pairs = data.load("train", None, 8)
    possible = {
        template.format(name): label for label, name in enumerate(data.class_names) for template in GENERIC_TEMPLATES
    }
    assert set(pairs.captions) == set(possible)
    assert [possible[caption] for caption in pairs.captions] == pairs.labels.tolist()


def test_a_caption_column_is_used_and_templates_fill_its_gaps(tmp_path, parquet, encoded):
    texts = [f"text  {n}\n" if n % 2 else None for n in range(40)]
    parquet(tmp_path / "c" / "train.parquet", [encoded(n) for n in range(40)], [0] * 40, text=texts)
    pairs = Labelled(path=str(tmp_path / "c"), caption_column="text", template="a {}").load("train", None, 8)
    own = {f"text {n}" for n in range(40)}
    assert set(pairs.captions) - own == {"a dark cat"}
    assert len(set(pairs.captions) & own) > 5


def test_class_names_are_made_readable(data):
    assert data.class_names == data.load("test", 2, 8).class_names == ("dark cat", "green dog")


def test_a_file_of_class_names_replaces_the_sources(data, tmp_path):
    (tmp_path / "names.txt").write_text("felix\n\nrex the dog\n")
    named = replace(data, class_file=str(tmp_path / "names.txt"))
    assert named.class_names == named.load("test", 2, 8).class_names == ("felix", "rex the dog")
    with pytest.raises(UserError, match=r"class_file 'nowhere.txt' does not exist"):
        _ = replace(data, class_file="nowhere.txt").class_names


def test_numbers_without_names_ask_for_a_file(tmp_path, parquet, encoded):
    parquet(tmp_path / "n" / "train.parquet", [encoded(n) for n in range(9)], list(range(9)), names=())
    with pytest.raises(UserError, match="does not name its classes in column 'label'; set class_file"):
        Labelled(path=str(tmp_path / "n")).load("train", 3, 8)


def test_rows_without_a_class_are_refused(tmp_path, parquet, encoded):
    parquet(tmp_path / "n" / "train.parquet", [encoded(n) for n in range(20)], [-1] * 20)
    with pytest.raises(UserError, match=r"row \d+ has no class"):
        Labelled(path=str(tmp_path / "n")).load("train", 3, 8)


@pytest.mark.parametrize("count", [0, -1, 41])
def test_a_count_that_the_split_does_not_hold_is_refused(data, count):
    with pytest.raises(UserError, match=f"split 'test' of dataset 'sorted' holds 40 images, asked for {count}"):
        data.load("test", count, 8)
    data.load("test", None, 8)
    with pytest.raises(UserError, match=f"holds 40 images, asked for {count}"):
        data.load("test", count, 8)


def test_a_negative_number_of_files_is_refused(data):
    with pytest.raises(UserError, match="dataset 'sorted': -1 shards cannot be used; give a number, or 0 for all"):
        replace(data, shards=-1).load("train", 5, 8)


def test_an_unknown_split_is_refused(data):
    with pytest.raises(UserError, match="no split 'tests'; did you mean 'test'"):
        data.load("tests", 3, 8)


def test_the_fingerprint_is_of_names_and_sizes(data, folder, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(folder, copy)
    (copy / "train.parquet").touch()
    assert Labelled(path=str(copy)).fingerprint() == data.fingerprint()
    with (copy / "train.parquet").open("ab") as handle:
        handle.write(b" ")
    assert Labelled(path=str(copy)).fingerprint() != data.fingerprint()
    assert Labelled(path="owner/name").fingerprint() != Labelled(path="owner/name", revision="v2").fingerprint()


def test_a_moved_folder_is_not_decoded_again(data, folder, tmp_path, store):
    data.load("test", 5, 8)
    shutil.copytree(folder, tmp_path / "moved")
    replace(data, path=str(tmp_path / "moved")).load("test", 5, 8)
    assert len(list((store / "data").iterdir())) == 1


def test_the_contract_of_data_sets_holds(data):
    failed = [outcome for outcome in run_checks(dataset_checks(data)) if outcome.error]
    assert failed == []
