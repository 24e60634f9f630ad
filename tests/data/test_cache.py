"""Images are decoded once, appear whole or not at all, and no damaged pixel is handed out."""

import errno
import json
import os
import pickle
import shutil
import time
import warnings
from typing import ClassVar

import numpy as np
import psutil
import pytest
import torch

from benchmark.data import decoding
from benchmark.data.cache import find, images_per_block, open_entry
from benchmark.data.decoding import CHUNK_BYTES, CHUNK_IMAGES, Order, write_entry
from benchmark.data.records import Record
from benchmark.errors import ClipdefenseError, StorageError, UserError


class Counted(bytes):
    """Encoded bytes that know how many of them are alive."""

    alive: ClassVar[int] = 0
    most: ClassVar[int] = 0

    def __init__(self, *_):
        Counted.alive += 1
        Counted.most = max(Counted.most, Counted.alive)

    def __del__(self):
        Counted.alive -= 1


class Fake:
    """As many pictures as asked for; those in ``broken`` cannot be read."""

    class_names = ("one", "two")
    declared = True

    def __init__(self, count, encoded, broken=(), wrap=bytes):
        self.count, self.encoded, self.broken, self.wrap, self.read = count, encoded, set(broken), wrap, []

    def __len__(self):
        return self.count

    def records(self, rows):
        assert np.all(np.diff(rows) > 0)
        for row in rows.tolist():
            self.read.append(row)
            image = b"<html>" if row in self.broken else self.wrap(self.encoded(row))
            yield Record(row, image, row % 2, f"caption {row}")


def order(rows, count=None, size=8, **others):
    name = "split 'train' of dataset 'x'"
    return Order(name=name, rows=np.asarray(rows), count=count, size=size, geometry="crop", **others)


def mixed(count):
    return np.random.default_rng(0).permutation(count)


def test_an_entry_holds_the_rows_in_their_order(tmp_path, encoded, number_of):
    rows = mixed(300)
    entry = write_entry(tmp_path, order(rows), Fake(300, encoded))
    assert entry.complete
    assert number_of(entry.images[torch.arange(300)]) == rows.tolist()
    assert entry.rows.tolist() == rows.tolist()
    assert entry.labels.tolist() == (rows % 2).tolist()
    assert entry.captions == tuple(f"caption {row}" for row in rows)
    assert entry.class_names == ("one", "two")


def test_fewer_images_are_a_prefix_of_more(tmp_path, encoded, number_of):
    rows = mixed(90)
    write_entry(tmp_path, order(rows, count=70), Fake(90, encoded))
    found = find(tmp_path, 20).first(20)
    assert number_of(found.images[torch.arange(20)]) == rows[:20].tolist()
    assert len(found.images) == len(found.captions) == len(found.labels) == 20
    assert find(tmp_path, 71) is None
    assert find(tmp_path, None) is None


def test_the_smallest_entry_that_serves_is_taken(tmp_path, encoded):
    for count in (30, 9, None):
        write_entry(tmp_path, order(mixed(40), count=count), Fake(40, encoded))
    assert [len(find(tmp_path, count)) for count in (9, 10, 31, None)] == [9, 30, 40, 40]


def test_only_wanted_rows_are_read_from_the_source(tmp_path, encoded):
    source = Fake(1000, encoded)
    write_entry(tmp_path, order(mixed(1000), count=25), source)
    assert sorted(source.read) == sorted(mixed(1000)[:25].tolist())


def test_rows_may_repeat_and_come_in_any_order(tmp_path, encoded, number_of):
    images = write_entry(tmp_path, order(range(50)), Fake(50, encoded)).images
    picked = images[torch.tensor([7, 7, 49, 0])]
    assert number_of(picked) == [7, 7, 49, 0]
    picked.zero_()
    assert number_of(images[torch.tensor([7])]) == [7]


def test_sources_survive_pickling(tmp_path, encoded, number_of):
    images = write_entry(tmp_path, order(range(30)), Fake(30, encoded)).images.first(10)
    packed = pickle.dumps(images)
    assert len(packed) < 2000
    assert number_of(pickle.loads(packed)[torch.arange(10)]) == list(range(10))


def test_a_flipped_bit_is_noticed_before_its_image_is_handed_out(tmp_path, encoded, number_of):
    size = 64
    block = images_per_block(size)
    entry = write_entry(tmp_path, order(range(2 * block), size=size), Fake(2 * block, encoded))
    with (tmp_path / "all" / "images.bin").open("r+b") as handle:
        handle.seek((block + 3) * 3 * size**2 + 5)
        handle.write(b"\xff")
    assert number_of(entry.images[torch.arange(block)]) == list(range(block))
    with pytest.raises(ClipdefenseError, match="are damaged"):
        entry.images[torch.tensor([block])]
    assert find(tmp_path, None) is None


@pytest.mark.parametrize("name", ["slots.npy", "rows.npy", "labels.npy", "captions.json", "sums.npy"])
def test_damage_to_a_small_file_is_noticed_at_once(tmp_path, encoded, name):
    write_entry(tmp_path, order(range(9)), Fake(9, encoded))
    content = bytearray((tmp_path / "all" / name).read_bytes())
    content[-2] ^= 1
    (tmp_path / "all" / name).write_bytes(content)
    assert open_entry(tmp_path / "all") is None
    assert not (tmp_path / "all").exists()


@pytest.mark.parametrize("harm", ["cut", "gone", "no entry", "other format"])
def test_an_entry_that_is_not_whole_is_not_accepted(tmp_path, encoded, harm):
    write_entry(tmp_path, order(range(9)), Fake(9, encoded))
    images, about = tmp_path / "all" / "images.bin", tmp_path / "all" / "entry.json"
    if harm == "cut":
        os.truncate(images, images.stat().st_size - 1)
    elif harm == "gone":
        images.unlink()
    elif harm == "no entry":
        about.unlink()
    else:
        about.write_text(json.dumps({**json.loads(about.read_text()), "format": 0}))
    assert find(tmp_path, 5) is None


def test_an_interrupted_writer_leaves_nothing(tmp_path, encoded):
    class Interrupted(Fake):
        def records(self, rows):
            yield from list(super().records(rows))[:300]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_entry(tmp_path, order(range(600)), Interrupted(600, encoded))
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_writer_left_is_not_accepted_and_goes_in_time(tmp_path, encoded):
    write_entry(tmp_path, order(range(9)), Fake(9, encoded))
    fresh, stale = tmp_path / ".writing-fresh", tmp_path / ".writing-stale"
    shutil.copytree(tmp_path / "all", stale)
    (tmp_path / "all").rename(fresh)
    long_ago = time.time() - 3 * 24 * 3600
    for path in [*stale.iterdir(), stale]:
        os.utime(path, (long_ago, long_ago))
    assert find(tmp_path, 5) is None
    write_entry(tmp_path, order(range(9), count=5), Fake(9, encoded))
    assert sorted(path.name for path in tmp_path.iterdir()) == [".writing-fresh", "5"]


def test_two_writers_of_one_entry_end_with_one(tmp_path, encoded, number_of):
    class Overtaken(Fake):
        def records(self, rows):
            write_entry(tmp_path, order(range(9)), Fake(9, encoded))
            yield from super().records(rows)

    entry = write_entry(tmp_path, order(range(9)), Overtaken(9, encoded))
    assert number_of(entry.images[torch.arange(9)]) == list(range(9))
    assert [path.name for path in tmp_path.iterdir()] == ["all"]


def test_unreadable_images_are_replaced_and_counted_in_one_warning(tmp_path, encoded, number_of):
    rows = mixed(400)
    broken = rows[[3, 150]].tolist()
    with pytest.warns(UserWarning, match="2 of 202 images could not be read and were left out") as caught:
        entry = write_entry(tmp_path, order(rows, count=200), Fake(400, encoded, broken))
    assert len(caught) == 1
    readable = [row for row in rows.tolist() if row not in broken]
    assert number_of(entry.images[torch.arange(200)]) == readable[:200]
    assert entry.captions == tuple(f"caption {row}" for row in readable[:200])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(find(tmp_path, 200)) == 200


def test_all_of_a_split_are_all_that_can_be_read(tmp_path, encoded, number_of):
    with pytest.warns(UserWarning, match=r"1 of 150 images could not be read .* \(the first is row 20\)"):
        entry = write_entry(tmp_path, order(range(150)), Fake(150, encoded, broken=[20]))
    assert number_of(entry.images[torch.arange(149)]) == [row for row in range(150) if row != 20]


def test_more_than_one_in_a_hundred_unreadable_is_an_error(tmp_path, encoded):
    with pytest.raises(UserError, match=r"2 of \d+ images cannot be read, more than one in a hundred"):
        write_entry(tmp_path, order(range(150)), Fake(150, encoded, broken=[20, 21]))
    assert list(tmp_path.iterdir()) == []


def test_too_few_readable_images_are_an_error(tmp_path, encoded):
    with pytest.raises(UserError, match="holds 199 readable images, asked for 200"):
        write_entry(tmp_path, order(range(200), count=200), Fake(200, encoded, broken=[7]))


def test_a_pair_without_a_caption_counts_as_unreadable_where_captions_are_needed(tmp_path, encoded):
    class Silent(Fake):
        def records(self, rows):
            for record in super().records(rows):
                yield record._replace(caption="" if record.row == 4 else record.caption)

    assert len(write_entry(tmp_path / "a", order(range(150)), Silent(150, encoded))) == 150
    with pytest.warns(UserWarning, match="1 of 150"):
        assert len(write_entry(tmp_path / "b", order(range(150), needs_caption=True), Silent(150, encoded))) == 149


def test_memory_does_not_grow_with_the_number_of_images(tmp_path, encoded):
    picture, process, resident = encoded(5), psutil.Process(), []
    Counted.alive = Counted.most = 0

    def watched(row):
        if row % 50 == 0:
            resident.append(process.memory_info().rss)
        return picture

    entry = write_entry(tmp_path, order(range(2500), size=128), Fake(2500, watched, wrap=Counted))
    grown = max(*resident, process.memory_info().rss) - resident[0]
    assert (tmp_path / "all" / "images.bin").stat().st_size == 2500 * 3 * 128**2 > 120e6
    assert len(entry) == 2500
    assert grown < 50e6
    assert CHUNK_IMAGES <= Counted.most <= CHUNK_IMAGES + 1
    assert Counted.alive <= 1


def test_large_pictures_travel_in_smaller_chunks():
    picture = bytes(CHUNK_BYTES // 2)
    chunks = decoding._chunks(Record(row, picture, None, "") for row in range(5))
    assert [len(chunk) for chunk in chunks] == [2, 2, 1]


def test_progress_counts_the_images(tmp_path, encoded):
    told = []

    class Listening:
        def task(self, description, total):
            told.append((description, total))
            return self

        def __enter__(self):
            return told.append

        def __exit__(self, *_):
            return None

    write_entry(tmp_path, order(range(300)), Fake(300, encoded), Listening())
    assert told[0] == ("decoding split 'train' of dataset 'x'", 300)
    assert sum(told[1:]) == 300


def test_a_disk_without_room_is_refused_before_the_work(tmp_path, encoded, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    source = Fake(100, encoded)
    with pytest.raises(StorageError, match=r"need 0.0 GB in .* CLIPDEFENSE_STORE"):
        write_entry(tmp_path, order(range(100)), source)
    assert source.read == []


def test_a_disk_that_fills_up_ends_in_a_sentence(tmp_path, encoded, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StorageError, match="no space left on device; free space"):
        write_entry(tmp_path, order(range(100)), Fake(100, encoded))
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_is_no_folder_ends_in_a_sentence(tmp_path, encoded):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .* CLIPDEFENSE_STORE"):
        write_entry(tmp_path / "file" / "key", order(range(9)), Fake(9, encoded))
