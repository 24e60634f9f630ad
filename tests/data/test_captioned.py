"""Captioned data: webdataset shards and caption columns, without labels."""

from itertools import chain

import numpy as np
import pytest
import torch

from benchmark.contract import dataset_checks, run_checks
from benchmark.data.asking import with_every_caption
from benchmark.data.base import SPLITS
from benchmark.data.captioned import Captioned
from benchmark.data.shapes import Shapes
from benchmark.data.shards import Shards
from benchmark.errors import UserError


def samples(encoded, numbers, **changes):
    """Members of a shard, one jpg-or-png and one txt per number; ``changes`` replaces the content of a number."""
    for number in numbers:
        yield f"{number:06d}.png", changes.get(f"image{number}", encoded(number))
        yield f"{number:06d}.txt", changes.get(f"text{number}", f"picture  {number}\n".encode())
        yield f"{number:06d}.json", b"{}"


@pytest.fixture
def shards(tmp_path, shard, encoded):
    """120 pairs in three training shards and 30 in a validation shard."""
    root = tmp_path / "web"
    for part in range(3):
        shard(root / f"web-train-{part:04d}.tar", samples(encoded, range(40 * part, 40 * part + 40)))
    shard(root / "web-validation-0000.tar", samples(encoded, range(1000, 1030)))
    return root


def numbers(pairs):
    return [int(caption.removeprefix("picture ")) for caption in pairs.captions]


def test_pairs_stay_together_and_have_no_labels(shards, number_of):
    pairs = Captioned(path=str(shards), test_split="validation").load("train", None, 8)
    assert pairs.labels is None
    assert pairs.class_names == ()
    assert number_of(pairs.images[torch.arange(len(pairs))]) == numbers(pairs)


def test_the_splits_are_disjoint_and_complete(shards):
    data = Captioned(path=str(shards), test_split="validation", validation_share=0.1, defender_share=0.2)
    found = {split: numbers(data.load(split, None, 8)) for split in SPLITS}
    assert {split: len(part) for split, part in found.items()} == {
        "train": 84,
        "defender": 24,
        "validation": 12,
        "test": 30,
    }
    assert sorted(found["train"] + found["defender"] + found["validation"]) == list(range(120))
    assert sorted(found["test"]) == list(range(1000, 1030))


def test_without_a_test_split_pairs_are_held_out(shards):
    (shards / "web-validation-0000.tar").unlink()
    data = Captioned(path=str(shards), test_share=0.25)
    found = [numbers(data.load(split, None, 8)) for split in SPLITS]
    assert sorted(chain(*found)) == list(range(120))
    assert len(found[-1]) == 30


def test_the_first_shards_alone_may_be_used(shards):
    data = Captioned(path=str(shards), test_split="validation", shards=2, validation_share=0, defender_share=0)
    assert sorted(numbers(data.load("train", None, 8))) == list(range(80))


def test_samples_are_read_from_their_places(shards, encoded):
    source = Shards(sorted(shards.glob("web-train-*.tar")))
    rows = np.array([0, 39, 40, 41, 119])
    records = list(source.records(rows))
    assert [record.row for record in records] == rows.tolist()
    assert [record.image for record in records] == [encoded(n) for n in rows.tolist()]
    assert [record.caption for record in records] == [f"picture {n}" for n in rows.tolist()]


def test_keys_may_repeat_in_other_shards_and_folders(tmp_path, shard, encoded):
    members = [("a/1.png", encoded(1)), ("a/1.txt", b"one"), ("b/1.png", encoded(2)), ("b/1.txt", b"two")]
    for name in ("x.tar", "y.tar"):
        shard(tmp_path / "t" / name, members)
    source = Shards(sorted((tmp_path / "t").iterdir()))
    assert [record.caption for record in source.records(np.arange(4))] == ["one", "two", "one", "two"]


def test_broken_pairs_are_left_out_and_counted(tmp_path, shard, encoded):
    changes = {"image7": b"<html>", "text90": b" \n"}
    shard(tmp_path / "t" / "0.tar", samples(encoded, range(210), **changes))
    data = Captioned(path=str(tmp_path / "t"), validation_share=0, defender_share=0, test_share=0)
    with pytest.warns(UserWarning, match="2 of 210 images could not be read and were left out"):
        pairs = data.load("train", None, 8)
    assert sorted(numbers(pairs)) == [n for n in range(210) if n not in (7, 90)]


def test_a_picture_without_a_text_and_a_text_without_a_picture_are_no_pairs(tmp_path, shard, encoded):
    members = [*samples(encoded, range(250)), ("x.png", encoded(1)), ("y.txt", b"alone")]
    shard(tmp_path / "t" / "0.tar", members)
    data = Captioned(path=str(tmp_path / "t"), validation_share=0, defender_share=0, test_share=0)
    with pytest.warns(UserWarning, match="2 of 252"):
        assert len(data.load("train", None, 8)) == 250


def test_too_many_broken_pairs_are_an_error(tmp_path, shard, encoded):
    shard(tmp_path / "t" / "0.tar", samples(encoded, range(50), image3=b"", image4=b""))
    with pytest.raises(UserError, match="cannot be read, more than one in a hundred"):
        Captioned(path=str(tmp_path / "t"), test_share=0).load("train", None, 8)


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (lambda content: content[: len(content) // 2 - 100], "is no whole plain tar file"),
        (lambda content: b"<html>404</html>" * 100, "is an HTML page instead of data"),
        (lambda content: b"", "is empty"),
    ],
)
def test_what_is_no_shard_ends_in_a_sentence(shards, harm, sentence):
    file = shards / "web-train-0001.tar"
    file.write_bytes(harm(file.read_bytes()))
    with pytest.raises(UserError, match=rf"web-train-0001.tar' {sentence}"):
        Captioned(path=str(shards)).load("train", 10, 8)


def test_a_caption_column_serves_as_well(tmp_path, parquet, encoded):
    texts = [f"picture {n}" for n in range(60)]
    parquet(tmp_path / "p" / "train.parquet", [encoded(n) for n in range(60)], [0] * 60, caption=texts)
    pairs = Captioned(path=str(tmp_path / "p"), test_share=0.5).load("test", None, 8)
    assert len(pairs) == 30
    assert set(pairs.captions) < set(texts)


def test_poisoned_captions_are_drawn_from_openais_templates():
    templates = Captioned(path="x").templates
    assert len(templates) == 80
    assert all(template.count("{}") == 1 for template in templates)


def test_the_contract_of_data_sets_holds(shards):
    data = Captioned(path=str(shards), test_split="validation", validation_share=0.25, defender_share=0.25)
    failed = [outcome for outcome in run_checks(dataset_checks(data)) if outcome.error]
    assert failed == []


def test_real_web_images_load(shared):
    data = Captioned(path=shared("cc3m-sample"))
    sizes = {split: len(data.load(split, None, 16)) for split in SPLITS}
    assert sizes == {"train": 582, "defender": 155, "validation": 38, "test": 100}
    assert all(len(caption) > 3 for caption in data.load("test", 100, 16).captions)


def test_an_image_with_several_texts_gives_one_of_them_or_all_of_them(tmp_path, parquet, encoded):
    texts = [[f"picture  {n}", f"image {n}", ""] for n in range(40)]
    parquet(tmp_path / "p" / "train.parquet", [encoded(n) for n in range(40)], [0] * 40, caption=texts)
    data = Captioned(path=str(tmp_path / "p"), test_share=0.5)
    one, every = data.load("test", None, 8), with_every_caption(data).load("test", None, 8)
    assert {caption.split()[0] for caption in one.captions} == {"picture", "image"}
    assert all(len(caption.split("\n")) == 2 for caption in every.captions)
    for taken, told in zip(one.captions, every.captions, strict=True):
        assert taken in told.split("\n")
    assert one.ids.tolist() == every.ids.tolist()


def test_all_texts_of_one_are_that_one(shards):
    data = Captioned(path=str(shards), test_split="validation")
    assert with_every_caption(data).load("test", None, 8).captions == data.load("test", None, 8).captions


def test_a_data_set_that_knows_one_text_stays_as_it_is():
    assert with_every_caption(Shapes()) == Shapes()
