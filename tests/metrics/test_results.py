"""Results and per-image outcomes survive being written down, numbers that are none included."""

import io
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from benchmark.results import BITS, CellId, Cost, Counts, Gate, Measured, Outcomes, Picks, PointRecord, Result

CELL = CellId(
    model="tiny-resnet",
    dataset="shapes",
    attack="badnets",
    source="none",
    defense="finetune",
    seed=0,
    victim="poisoned",
)


def measured(success=0.5, recall=float("nan")):
    return Measured(
        clean_accuracy=0.9,
        attack_success_rate=success,
        attack_success_rate_all=0.5,
        attack_success_rate_net=-0.1,
        robust_accuracy=0.4,
        target_recall=recall,
        trigger_shift=float("-inf"),
        route_success=(success, float("nan")),
    )


def result(**changes):
    point = PointRecord(
        strength=1.0,
        seconds=2.5,
        validation=measured(),
        test=measured(float("nan")),
        defense_effectiveness=0.5,
        retained_accuracy=1.0,
        retained_accuracy_corrected=float("nan"),
    )
    filled = {
        "metric_version": 1,
        "key": "abc",
        "cell": CELL,
        "status": "ok",
        "knowledge": ("clean_pairs", "labels"),
        "resolved": {"defense": {"epochs": 5, "learning_rate": None}},
        "classes": 10,
        "counts": Counts(validation=10, validation_other=9, test=20, test_other=18),
        "victim": measured(),
        "gate": Gate(
            accepted=True,
            attack_success_rate=0.95,
            attack_success_rate_of_clean_model=0.1,
            clean_accuracy=0.9,
            clean_accuracy_of_clean_model=0.91,
        ),
        "points": (point,),
        "picks": Picks(budget=2.0, blind=-1, oracle=0),
        "cost": Cost(seconds=1.5, optimiser_steps=7),
    }
    return Result(**filled | changes)


def test_a_result_survives_its_file():
    text = result().model_dump_json(indent=1)
    again = Result.model_validate_json(text)
    assert again.model_dump_json(indent=1) == text
    assert again.points[0].validation.attack_success_rate == 0.5
    assert again.cell == CELL and again.gate == result().gate and again.cost == result().cost


def test_numbers_that_are_none_survive_a_result_file():
    again = Result.model_validate_json(result().model_dump_json())
    assert math.isnan(again.points[0].test.attack_success_rate)
    assert math.isnan(again.points[0].test.route_success[1])
    assert math.isnan(again.points[0].retained_accuracy_corrected)
    assert again.victim.trigger_shift == -math.inf


def test_skipped_and_failed_results_need_no_measurements():
    for status in ("skipped", "failed"):
        again = Result.model_validate_json(
            Result(metric_version=1, key="k", cell=CELL, status=status, reason="because").model_dump_json()
        )
        assert again.status == status and again.points == () and again.picks is None and again.reason == "because"


def test_unknown_fields_and_states_are_refused():
    data = json.loads(result().model_dump_json())
    with pytest.raises(ValidationError):
        Result.model_validate_json(json.dumps(data | {"surprise": 1}))
    with pytest.raises(ValidationError):
        Result.model_validate_json(json.dumps(data | {"status": "fine"}))


def test_results_cannot_be_changed():
    with pytest.raises(ValidationError):
        result().status = "failed"


def test_a_cell_is_named_by_what_is_special_about_it():
    assert CELL.text == "tiny-resnet / shapes / badnets / finetune / seed 0"
    special = CELL.model_copy(update={"victim": "benign", "source": "decree"})
    assert special.text == "tiny-resnet / shapes / badnets [benign] / finetune <decree> / seed 0"


@st.composite
def outcomes(draw):
    rows, validation, test = draw(st.integers(1, 4)), draw(st.integers(1, 19)), draw(st.integers(1, 19))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    return Outcomes(
        validation=generator.random((rows, len(BITS), validation)) < 0.5,
        test=generator.random((rows, len(BITS), test)) < 0.5,
        validation_other=generator.random(validation) < 0.5,
        test_other=generator.random(test) < 0.5,
    )


def identical(first, second):
    names = ("validation", "test", "validation_other", "test_other")
    return all(
        getattr(first, name).dtype == getattr(second, name).dtype == np.bool_
        and np.array_equal(getattr(first, name), getattr(second, name))
        for name in names
    )


@given(outcomes())
def test_outcomes_survive_packing(found):
    assert identical(found, Outcomes.unpacked(found.packed()))


@given(outcomes())
def test_outcomes_survive_a_file(found):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **found.packed())
    buffer.seek(0)
    with np.load(buffer) as arrays:
        assert identical(found, Outcomes.unpacked({name: arrays[name] for name in arrays.files}))


@given(outcomes())
def test_packing_takes_an_eighth(found):
    packed = found.packed()
    assert packed["test"].dtype == np.uint8
    assert packed["test"].shape[-1] == -(-found.test.shape[-1] // 8)
