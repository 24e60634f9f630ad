"""Cosines and norms of task vectors, exact and from sketches."""

import numpy as np
import pytest
import torch

from benchmark.analysis.vectors import compared
from benchmark.sketches import WIDTH, cosines, packed, sketch, unpacked


def vector(seed, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    sizes = {"visual.a": (40, 30), "visual.b": (700,), "text": (300,)}
    return {name: scale * torch.randn(size, generator=generator) for name, size in sizes.items()}


def arrays(found):
    return {name: value.numpy() for name, value in found.items()}


def plus(first, second, times):
    return {name: first[name] + times * second[name] for name in first}


@pytest.fixture(scope="module")
def table():
    first = vector(1)
    return compared({"one": first, "twice": {k: 2 * v for k, v in first.items()}, "other": plus(first, vector(2), 1.0)})


def test_a_vector_points_its_own_way(table):
    for part in ("both", "vision"):
        assert table[part]["cosines"]["one"]["one"] == pytest.approx(1.0)
        assert table[part]["cosines"]["one"]["twice"] == pytest.approx(1.0)


def test_cosines_are_symmetric_and_norms_scale(table):
    for part in ("both", "vision"):
        found = table[part]
        assert found["cosines"]["one"]["other"] == pytest.approx(found["cosines"]["other"]["one"])
        assert 0.5 < found["cosines"]["one"]["other"] < 0.9
        assert found["norms"]["twice"] == pytest.approx(2 * found["norms"]["one"])
    assert table["vision"]["norms"]["one"] < table["both"]["norms"]["one"]


def test_parts_are_what_they_say():
    first = {"visual.a": torch.tensor([1.0, 0.0]), "text": torch.tensor([1.0])}
    second = {"visual.a": torch.tensor([0.0, 1.0]), "text": torch.tensor([1.0])}
    found = compared({"first": first, "second": second})
    assert found["vision"]["cosines"]["first"]["second"] == pytest.approx(0.0)
    assert found["both"]["cosines"]["first"]["second"] == pytest.approx(0.5)


@pytest.mark.parametrize("times", [0.0, 0.5, 2.0, -1.0])
def test_sketches_keep_angles_up_to_their_error(times):
    first = vector(3)
    second = plus(first, vector(4), times)
    exact = compared({"a": first, "b": second})["both"]["cosines"]["a"]["b"]
    found = cosines(np.stack([sketch(arrays(first)), sketch(arrays(second))]))
    assert found[0, 1] == pytest.approx(exact, abs=4 / np.sqrt(WIDTH))
    assert found[0, 0] == pytest.approx(1.0)


def test_a_sketch_depends_on_the_names_of_parameters_and_survives_packing():
    first = sketch(arrays(vector(5)))
    assert np.array_equal(first, sketch(arrays(vector(5, scale=2.0))))
    renamed = sketch({f"{name}.": value for name, value in arrays(vector(5)).items()})
    assert abs(float(first @ renamed)) < 4 / np.sqrt(WIDTH)
    assert cosines(np.stack([first, unpacked(packed(first))]))[0, 1] == pytest.approx(1.0, abs=1e-6)


def test_a_sketch_of_nothing_has_no_direction():
    nothing = sketch({"visual.a": np.zeros(7, dtype=np.float32)})
    assert not nothing.any()
    assert cosines(np.stack([nothing, sketch(arrays(vector(6)))])).tolist()[0] == [0.0, 0.0]
