"""A stranger runs the whole leaderboard: plan, run, status, report."""

import pytest

DEFENSES = ("none", "finetune", "pruning", "task_vector")


def test_the_plan_says_what_will_be_computed(world, clipdefense):
    planned = clipdefense("plan", "micro.toml")
    assert planned.code == 0
    lines = [line.split() for line in planned.out.splitlines()]
    assert sum(line[-4:-2] == ["seed", "0"] and line[-2:] == ["to", "compute"] for line in lines) == 14
    for stage, count in (("pretrained", "1"), ("victim", "3"), ("measured", "14")):
        assert [stage, count, "0", count] in lines
    assert clipdefense("status", "micro.toml").out.splitlines()[1].split() == ["missing", "14"]


@pytest.fixture(scope="module")
def told(finished_micro, call, tmp_path_factory):
    """What the four commands say once the matrix has been run, and where."""
    world = finished_micro.copied(tmp_path_factory.mktemp("leaderboard"))
    world.matrix("micro")
    return world, {command: call(world, command, "micro.toml") for command in ("plan", "run", "status", "report")}


def test_every_command_ends_well_and_quietly(told):
    said = {command: (finished.code, finished.err) for command, finished in told[1].items()}
    assert said == dict.fromkeys(said, (0, ""))


def test_the_commands_agree(told):
    _, said = told
    assert "0 of 14 cells to compute" in said["plan"].out
    assert said["run"].out == "14 ok in runs/micro\n"
    assert said["status"].out.splitlines()[1].split() == ["ok", "14"]
    assert "14 cells: 14 ok, 0 skipped, 0 failed, 0 missing." in said["report"].out


def test_the_report_has_a_row_per_defense_and_its_files(told):
    world, said = told
    board = said["report"].out.splitlines()
    for defense in DEFENSES:
        assert any(defense in line.split() for line in board)
    paths = [world.home / line for line in board if line.startswith("runs/micro/report/")]
    assert {path.name for path in paths} >= {f"leaderboard.{kind}" for kind in ("md", "csv", "tex")}
    assert all(path.stat().st_size for path in paths)
    for content in [path.read_bytes() for path in paths if path.suffix == ".pdf"]:
        assert b"/FontFile2" in content and b"/Type3" not in content
