"""A stranger runs the whole leaderboard: plan, run, status, report."""

import pytest

DEFENSES = ("none", "finetune", "pruning", "task_vector")


def test_the_plan_says_what_will_be_computed(world, clipdefense):
    planned = clipdefense("plan", "micro.toml")
    assert planned.code == 0
    lines = planned.out.splitlines()
    assert sum(line.endswith(" to compute") and " / seed " in line for line in lines) == 14
    stages = next(number for number, line in enumerate(lines) if line.split()[:2] == ["stage", "artifacts"])
    rows = {line.split()[0]: line.split()[1:] for line in lines[stages + 1 : stages + 4]}
    assert rows == {"pretrained": ["1", "0", "1"], "victim": ["3", "0", "3"], "measured": ["14", "0", "14"]}
    assert clipdefense("status", "micro.toml").out.splitlines()[1].split() == ["missing", "14"]


@pytest.fixture
def told(micro, clipdefense):
    """What the four commands say once the matrix has been run."""
    return {command: clipdefense(command, "micro.toml") for command in ("plan", "run", "status", "report")}


def test_every_command_ends_well_and_quietly(told):
    assert {command: (finished.code, finished.err) for command, finished in told.items()} == dict.fromkeys(
        told, (0, "")
    )


def test_the_four_commands_agree(told):
    assert "to compute" not in "".join(told["plan"].out.splitlines()[1:15])
    assert told["run"].out == "14 ok in runs/micro\n"
    assert told["status"].out.splitlines()[1].split() == ["ok", "14"]
    assert "14 cells: 14 ok, 0 skipped, 0 failed, 0 missing." in told["report"].out


def test_the_report_has_a_row_per_defense_and_its_files(micro, told):
    board = told["report"].out
    for defense in DEFENSES:
        assert any(defense in line.split() for line in board.splitlines())
    paths = [micro.home / line for line in board.splitlines() if line.startswith("runs/micro/report/")]
    assert {path.name for path in paths} >= {f"leaderboard.{kind}" for kind in ("md", "csv", "tex")}
    assert all(path.stat().st_size for path in paths)
