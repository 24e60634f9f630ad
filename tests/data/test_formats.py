"""Every format gives the same kind of source, and what is no data ends in one sentence."""

import json

import datasets
import numpy as np
import pytest

from benchmark.data.collection import locate
from benchmark.data.labelled import Labelled
from benchmark.data.records import Columns
from benchmark.errors import UserError

COLUMNS = Columns(image="image", label="label")


def located(path, tmp_path, config=""):
    return locate(str(path), config=config, revision="", folder=tmp_path / "lists")


def all_records(path, tmp_path, split="train", columns=COLUMNS):
    collection = located(path, tmp_path)
    source = collection.source(collection.of_split(split) or collection.names, columns)
    return source, list(source.records(np.arange(len(source))))


@pytest.fixture
def pictures(tmp_path, encoded):
    """A folder of pictures: 6 of 'ant' and 4 of 'bee' for training, 3 of 'bee' for testing."""
    for split, name, numbers in [
        ("train", "ant", range(6)),
        ("train", "bee", range(6, 10)),
        ("test", "bee", range(20, 23)),
    ]:
        place = tmp_path / "pictures" / split / name
        place.mkdir(parents=True)
        for number in numbers:
            (place / f"{number:03d}.png").write_bytes(encoded(number))
    return tmp_path / "pictures"


@pytest.fixture
def saved(tmp_path, encoded):
    """The features of a ``datasets`` set of ten pictures in two classes."""
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["ant", "bee"])})
    rows = {"image": [{"bytes": encoded(n), "path": None} for n in range(10)], "label": [n // 6 for n in range(10)]}
    return datasets.Dataset.from_dict(rows, features=features)


def test_parquet_rows_come_in_order_across_files_and_row_groups(tmp_path, parquet, encoded):
    root = tmp_path / "p"
    parquet(
        root / "train-00000-of-00002.parquet", [encoded(n) for n in range(70)], [n % 2 for n in range(70)], row_group=20
    )
    parquet(root / "train-00001-of-00002.parquet", [encoded(n) for n in range(70, 90)], [0] * 20, row_group=20)
    source, records = all_records(root, tmp_path)
    assert [record.row for record in records] == list(range(90))
    assert [record.image for record in records] == [encoded(n) for n in range(90)]
    some = np.array([0, 19, 20, 69, 70, 89])
    assert [record.image for record in source.records(some)] == [encoded(n) for n in some.tolist()]


def test_the_only_column_of_pictures_or_classes_is_found_by_its_kind(tmp_path, parquet, encoded):
    parquet(tmp_path / "p" / "train.parquet", [encoded(1)], [1], label_name="fine")
    _, records = all_records(tmp_path / "p", tmp_path, columns=Columns(image="img", label="label"))
    assert records[0].label == 1
    with pytest.raises(UserError, match="no column 'text'; it has: image, fine"):
        all_records(tmp_path / "p", tmp_path, columns=Columns(image="image", caption="text"))


def test_one_of_several_captions_is_taken_per_row(tmp_path, parquet, encoded):
    texts = [["a", "b"], ["c", "d"], []]
    parquet(tmp_path / "p" / "train.parquet", [encoded(n) for n in range(3)], [0, 0, 0], texts=texts)
    _, records = all_records(tmp_path / "p", tmp_path, columns=Columns(image="image", caption="texts"))
    assert [record.caption for record in records] == ["a", "d", ""]


def test_classes_may_be_texts(tmp_path, parquet, encoded):
    for split, labels in [("train", ["fox", "ape", "ape"]), ("test", ["fox"])]:
        parquet(tmp_path / "p" / f"{split}.parquet", [encoded(n) for n in range(len(labels))], labels, names=())
    source, records = all_records(tmp_path / "p", tmp_path)
    assert source.class_names == ("ape", "fox")
    assert [record.label for record in records] == [1, 0, 0]
    data = Labelled(path=str(tmp_path / "p"), validation_share=0, defender_share=0)
    assert data.load("test", None, 8).labels.tolist() == [1]


def test_pictures_in_class_folders(tmp_path, pictures, encoded):
    source, records = all_records(pictures, tmp_path)
    assert source.class_names == ("ant", "bee")
    assert [record.label for record in records] == [0] * 6 + [1] * 4
    assert [record.image.read_bytes() for record in records] == [encoded(n) for n in range(10)]


def test_a_test_split_that_lacks_a_class_keeps_the_training_splits_numbers(pictures):
    pairs = Labelled(path=str(pictures)).load("test", None, 8)
    assert pairs.labels.tolist() == [1, 1, 1]
    assert pairs.class_names == ("ant", "bee")


def test_a_test_split_with_a_class_of_its_own_is_refused(pictures):
    (pictures / "test" / "bee").rename(pictures / "test" / "wasp")
    with pytest.raises(UserError, match="class 'wasp' of the test split is none of the training split's"):
        Labelled(path=str(pictures)).load("test", None, 8)


def test_pictures_without_split_folders_are_all_for_training(tmp_path, pictures):
    source, _ = all_records(pictures / "train", tmp_path)
    assert source.class_names == ("ant", "bee")
    assert len(source) == 10
    assert Labelled(path=str(pictures / "train"), test_share=0.3).load("test", None, 8).class_names == ("ant", "bee")


def test_a_picture_that_cannot_be_read_is_named(pictures):
    place = next(path for path in sorted(pictures.rglob("*.png")) if "train" in path.parts)
    place.write_bytes(b"no picture")
    with pytest.raises(UserError, match=f"1 of 10 images cannot be read, .*the first is '{place}'"):
        Labelled(path=str(pictures), validation_share=0.0, defender_share=0.0).load("train", None, 8)


def test_pictures_outside_of_class_folders_are_refused(pictures):
    with pytest.raises(UserError, match="pictures outside of class folders"):
        Labelled(path=str(pictures / "train" / "ant")).load("train", 1, 8)


def test_a_saved_set_reads_like_parquet(tmp_path, saved, encoded):
    saved.save_to_disk(str(tmp_path / "saved"))
    source, records = all_records(tmp_path / "saved", tmp_path)
    assert source.class_names == ("ant", "bee")
    assert [record.image for record in records] == [encoded(n) for n in range(10)]
    assert [record.label for record in records] == [n // 6 for n in range(10)]


def test_the_splits_of_a_saved_set_are_its_folders(tmp_path, saved, encoded):
    several = datasets.DatasetDict({"train": saved, "test": saved.select(range(3))})
    several.save_to_disk(str(tmp_path / "saved"))
    before = sorted(path.name for path in (tmp_path / "saved").rglob("*"))
    _, records = all_records(tmp_path / "saved", tmp_path, split="test")
    assert [record.image for record in records] == [encoded(n) for n in range(3)]
    assert sorted(path.name for path in (tmp_path / "saved").rglob("*")) == before
    assert datasets.are_progress_bars_disabled() is False


def test_a_single_file_is_a_set(folder):
    assert len(Labelled(path=str(folder / "train.parquet"), test_share=0.5).load("test", None, 8)) == 100


def test_configurations_are_folders_and_must_be_named(tmp_path, parquet, encoded):
    for name, count in [("digits", 8), ("numbers", 4)]:
        parquet(tmp_path / "p" / name / "train-00000-of-00001.parquet", [encoded(n) for n in range(count)], [0] * count)
    with pytest.raises(UserError, match=r"several configurations \(digits, numbers\); set 'config'"):
        located(tmp_path / "p", tmp_path)
    collection = located(tmp_path / "p", tmp_path, config="numbers")
    assert len(collection.source(collection.of_split("train"), COLUMNS)) == 4
    with pytest.raises(UserError, match="no parquet, tar, arrow or picture files in configuration 'letters'"):
        located(tmp_path / "p", tmp_path, config="letters")


@pytest.mark.parametrize(
    ("names", "train", "test"),
    [
        (["train-00000-of-00001.parquet", "test-00000-of-00001.parquet"], 1, 1),
        (["data/train.parquet", "data/test.parquet", "data/extra.parquet"], 1, 1),
        (["default/train/0000.parquet", "default/train/0001.parquet", "default/test/0000.parquet"], 2, 1),
        (["cc3m-train-0000.parquet", "cc3m-train-0001.parquet", "cc3m-validation-0000.parquet"], 2, 0),
        (["0000.parquet", "0001.parquet"], 2, 0),
        (["pretraining.parquet"], 1, 0),
    ],
)
def test_files_tell_their_split(tmp_path, names, train, test):
    for name in names:
        (tmp_path / "p" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "p" / name).write_text(name)
    training, testing = located(tmp_path / "p", tmp_path).splits("train", "test")
    assert (len(training), len(testing)) == (train, test)


def test_a_file_of_two_splits_is_refused(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "train_test.parquet").write_text("x")
    with pytest.raises(UserError, match=r"'train_test.parquet' belongs to both 'train' and 'test'"):
        located(tmp_path / "p", tmp_path).splits("train", "test")


def test_a_missing_training_split_names_the_files(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "test.parquet").write_text("x")
    with pytest.raises(UserError, match=r"no split 'train'; it holds: test.parquet; set train_split"):
        located(tmp_path / "p", tmp_path).splits("train", "test")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"\n <!DOCTYPE html><html>Not found</html>", "is an HTML page instead of data"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "is a Git LFS pointer"),
        (b"PAR1 but not for long", "is no whole parquet file"),
    ],
)
def test_what_is_no_parquet_file_ends_in_a_sentence(tmp_path, content, sentence):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "train.parquet").write_bytes(content)
    with pytest.raises(UserError, match=rf"train.parquet' {sentence}"):
        Labelled(path=str(tmp_path / "p")).load("train", 1, 8)


def test_a_parquet_file_with_damaged_pages_ends_in_a_sentence(folder):
    content = bytearray((folder / "train.parquet").read_bytes())
    content[20:4000] = bytes(3980)
    (folder / "train.parquet").write_bytes(content)
    with pytest.raises(UserError, match=r"train.parquet' cannot be read to its end"):
        Labelled(path=str(folder)).load("train", None, 8)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("", "has no path; set it to a folder"),
        ("/nowhere/at/all", "there is no folder or file '/nowhere/at/all'"),
        ("~nobody", "there is no folder or file '~nobody'"),
    ],
)
def test_a_path_that_leads_nowhere_ends_in_a_sentence(tmp_path, path, sentence):
    with pytest.raises(UserError, match=sentence):
        Labelled(path=path).load("train", 1, 8)


def test_a_folder_without_data_names_what_is_in_it(tmp_path):
    (tmp_path / "p").mkdir()
    with pytest.raises(UserError, match="files; it is empty"):
        located(tmp_path / "p", tmp_path)
    (tmp_path / "p" / "notes.json").write_text(json.dumps({}))
    with pytest.raises(UserError, match=r"files; it holds: notes.json"):
        located(tmp_path / "p", tmp_path)
