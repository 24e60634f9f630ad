"""Small data sets made on the spot, a cache of their own for every test, and the real sets where they are."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPDEFENSE_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture
def encoded():
    """number, size, format -> a picture as bytes, of a colour that only this number has."""

    def make(number, size=(12, 10), kind="PNG"):
        colour = (number % 256, number // 256 % 256, 37)
        buffer = io.BytesIO()
        Image.new("RGB", size, colour).save(buffer, kind)
        return buffer.getvalue()

    return make


@pytest.fixture
def number_of():
    """uint8 images (N, 3, H, W) -> the numbers that their colours stand for."""
    return lambda images: (images[:, 0, 3, 3].long() + 256 * images[:, 1, 3, 3].long()).tolist()


@pytest.fixture
def parquet():
    """Writes a parquet file as ``datasets`` does: images, labels, optional further columns, and the class names."""

    def write(path, images, labels, names=("dark_cat", "green-dog"), row_group=50, label_name="label", **columns):
        features = {
            "image": {"_type": "Image"},
            label_name: {"_type": "ClassLabel", "names": list(names)} if names else {"_type": "Value"},
        }
        table = pyarrow.table(
            {"image": [{"bytes": image, "path": None} for image in images], label_name: labels, **columns}
        )
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
        path.parent.mkdir(parents=True, exist_ok=True)
        pyarrow.parquet.write_table(table, path, row_group_size=row_group)
        return path

    return write


@pytest.fixture
def folder(tmp_path, parquet, encoded):
    """200 training and 40 test images, sorted by class; image n has number n, those for testing start at 1000."""
    root = tmp_path / "sorted"
    parquet(root / "train.parquet", [encoded(n) for n in range(200)], [0] * 100 + [1] * 100)
    parquet(root / "test.parquet", [encoded(1000 + n) for n in range(40)], [0] * 20 + [1] * 20)
    return root


@pytest.fixture
def shard():
    """Writes a tar file of (name, bytes) members."""

    def write(path, members):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w") as opened:
            for name, content in members:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                opened.addfile(info, io.BytesIO(content))
        return path

    return write


@pytest.fixture
def shared():
    """name -> the folder of a real data set; the test is skipped where there is none."""

    def find(name):
        if not (SHARED / name).is_dir():
            pytest.skip(f"needs the real data set '{name}' in ../shared/data beside this checkout")
        return str(SHARED / name)

    return find


@pytest.fixture
def noise():
    """A picture of noise with the given size and mode."""

    def make(size, mode="RGB"):
        width, height = size
        values = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        return Image.fromarray(values, "RGB").convert(mode)

    return make
