"""Boards part what defenders knew."""

import itertools

import pytest

from benchmark.types import NEEDS
from reports.knowledge import board_of, board_order, method_name


@pytest.mark.parametrize(
    ("needs", "source", "board"),
    [
        ((), "none", "nothing"),
        (("clean_pairs",), "none", "clean pairs"),
        (("clean_images", "labels"), "none", "clean pairs"),
        (("clean_pairs", "target"), "given", "target"),
        (("clean_pairs", "trigger", "target"), "given", "trigger"),
        (("triggered_pairs",), "given", "trigger"),
        (("clean_pairs",), "decree", "clean pairs, inverted trigger"),
        ((), "planted", "inverted trigger"),
        (("clean_pairs", "reference_model"), "none", "clean ancestor"),
        (("sibling_models",), "none", "clean ancestor"),
        (("training_pairs",), "none", "training pairs"),
        (("clean_pairs", "reference_model", "trigger"), "given", "clean ancestor + trigger"),
        (("clean_pairs", "reference_model"), "decree", "clean pairs, inverted trigger + clean ancestor"),
    ],
)
def test_board_of(needs, source, board):
    assert board_of(needs, source) == board


def test_whoever_sees_the_trigger_is_never_beside_one_who_does_not():
    seeing, blind = set(), set()
    for size in range(4):
        for needs in itertools.combinations(sorted(NEEDS), size):
            sees = bool({"trigger", "triggered_pairs"} & set(needs))
            (seeing if sees else blind).add(board_of(needs, "given"))
            blind.add(board_of(set(needs) - {"trigger", "triggered_pairs", "target"}, "decree"))
    assert not seeing & blind


def test_boards_are_listed_from_nothing_to_everything():
    boards = ["training pairs", "trigger", "clean pairs", "nothing", "clean ancestor + trigger", "target"]
    expected = ["nothing", "clean pairs", "target", "trigger", "training pairs", "clean ancestor + trigger"]
    assert sorted(boards, key=board_order) == expected


def test_an_inverter_is_part_of_the_methods_name():
    assert method_name("task_vector", "given") == method_name("task_vector", "none") == "task_vector"
    assert method_name("task_vector", "decree") == "task_vector (decree)"
