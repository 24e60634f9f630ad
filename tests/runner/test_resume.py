"""Processes that are killed for real: nothing half-written counts, and the next run goes on to the same numbers."""

import json
import signal

import pytest

from benchmark.store import Store

pytestmark = pytest.mark.xdist_group("processes")

GATED = '''
"""An attack that waits, while a file called ``closed`` exists, where the training pairs of its victim are poisoned."""

import time
from pathlib import Path


class Gated:
    target = "heart"

    def trigger(self, images, ids):
        while len(images) == 16 and Path("closed").exists():
            Path("reached").touch()
            time.sleep(0.01)
        stamped = images.clone()
        stamped[:, :, -6:, -6:] = 1.0
        return stamped
'''
SMALL = 'attacks = ["gated", "badnets"]\nbenign = ""\ndefenses = [{ plugin = "finetune", parameters = { epochs = 1 } }]'
RUN = ("run", "small.toml", "--plugin", "gated.py:Gated")
GATED_CELL = "tiny-resnet / shapes / gated / none / seed 0"


def numbers(result):
    """A result without what differs between two computations of the same thing."""
    plain = result.model_dump(exclude={"provenance", "cost"})
    for point in plain["points"]:
        del point["seconds"]
    return plain


def all_numbers(world, matrix):
    return {text: numbers(result) for text, result in world.found(matrix).items()}


def accepted(world, kind):
    """Keys of the artifacts that the store hands out, each with its checksums confirmed."""
    store = Store(world.store)
    return {key for found, key, _ in store.artifacts() if found == kind and store.read(kind, key) is not None}


@pytest.fixture
def gated(world, micro):
    """The micro world (so that its clean model is there) with a matrix whose first attack can be held."""
    world.write("gated.py", GATED)
    world.matrix("small", SMALL)
    return world


def held(world, start):
    """A run that waits in the middle of training the victim of the gated attack."""
    (world.home / "reached").unlink(missing_ok=True)
    (world.home / "closed").touch()
    running = start(*RUN)
    running.until((world.home / "reached").exists)
    return running


def freed(world, process, *options):
    (world.home / "closed").unlink(missing_ok=True)
    return process(*RUN, *options)


def test_a_run_that_is_killed_between_cells_goes_on_to_the_same_numbers(world, finished_micro, start, process):
    running = start("run", "micro.toml")
    results = world.folder().files
    running.until(lambda: len(list(results.glob("*.json"))) >= 3)
    assert running.kill().code == -signal.SIGKILL

    survived = [result for result in world.found().values() if result is not None]
    assert 3 <= len(survived) < 14
    for path in results.glob("*.json"):
        assert world.folder().whole(path.stem) is not None, "a result that is there is complete"
    writing = [folder for folder in world.store.rglob(".writing-*") if folder.is_dir()]
    assert not {folder.name for folder in writing} & accepted(world, "measured")

    finished = process("run", "micro.toml")
    assert (finished.code, finished.out.splitlines()[-1]) == (0, "14 ok in runs/micro")
    assert len(finished.out.splitlines()) <= 1 + 14 - len(survived), "what had survived was computed again"
    assert all_numbers(world, "micro") == all_numbers(finished_micro, "micro")


def test_a_run_that_is_killed_within_a_stage_goes_on(gated, start, process):
    victims = accepted(gated, "victim")
    assert held(gated, start).kill().code == -signal.SIGKILL
    assert accepted(gated, "victim") == victims, "a victim that was never finished is handed out"
    assert gated.found("small")[GATED_CELL] is None

    finished = freed(gated, process)
    assert finished.out.splitlines()[-1] == "6 ok in runs/small"
    assert not list((gated.store / "started").iterdir()), "start markers of finished work stay"
    interrupted = all_numbers(gated, "small")

    for kind in ("victim", "measured"):
        for key in accepted(gated, kind):
            Store(gated.store).remove(kind, key)
    gated.matrix("again", SMALL)
    finished = process("run", "again.toml", "--plugin", "gated.py:Gated")
    assert finished.out.splitlines()[-1] == "6 ok in runs/again"
    assert all_numbers(gated, "again") == interrupted


def test_work_that_kills_its_process_twice_fails_and_the_rest_goes_on(gated, start, process):
    for _ in range(2):
        assert held(gated, start).kill().code == -signal.SIGKILL

    finished = freed(gated, process)
    assert (finished.code, finished.out.splitlines()[-1]) == (0, "2 failed, 4 ok in runs/small")
    result = gated.found("small")[GATED_CELL]
    assert result.status == "failed"
    assert "died 2 times" in result.reason
    assert "--retry failed" in result.reason
    assert {text for text, found in gated.found("small").items() if found.status == "failed"} == {
        GATED_CELL,
        GATED_CELL.replace("none", "finetune"),
    }

    assert process(*RUN).out.splitlines() == ["2 failed, 4 ok in runs/small"], "a failure is kept until it is retried"
    finished = freed(gated, process, "--retry", "failed")
    assert finished.out.splitlines()[-1] == "6 ok in runs/small"
    assert len(finished.out.splitlines()) == 3


def test_ctrl_c_ends_in_one_sentence_and_the_next_run_goes_on(gated, start, process):
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
        stopped = held(gated, start).signal(number)
        assert (stopped.code, stopped.err) == (130, "stopped; the next run goes on from here\n")
    assert not list((gated.store / "started").iterdir()), "a stop counts as a death"
    assert freed(gated, process).out.splitlines()[-1] == "6 ok in runs/small"


def test_a_marker_tells_whose_work_it_is(gated, start):
    running = held(gated, start)
    markers = {path.name.partition("-")[0]: path for path in (gated.store / "started").iterdir()}
    assert markers.keys() == {"victim", "measured"}
    assert {json.loads(path.read_text())["process"] for path in markers.values()} == {running.process.pid}
    store = Store(gated.store)
    kind, _, key = markers["victim"].name.partition("-")
    assert store.deaths(kind, key) == 0, "a process that lives has not died"
    running.kill()
    assert store.deaths(kind, key) == 1
