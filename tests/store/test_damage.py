"""Damaged artifacts and results of a real run are made again, to the same numbers; prune keeps what plans refer to."""

import pytest


def plain(found):
    """Results without clocks, memory and the time of day."""
    for result in found.values():
        assert result is not None
    plain = {}
    for text, result in found.items():
        plain[text] = result.model_dump(exclude={"provenance", "cost"})
        for point in plain[text]["points"]:
            del point["seconds"]
    return plain


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


BLENDED = ("run", "micro.toml", "--only", "attack=blended", "--only", "defense=finetune")
CELL = "tiny-resnet / shapes / blended / finetune / seed 0"


def forget(world, text):
    """Removes one result from the run folder and from the store, so that its cell has to be computed again."""
    key = world.found()[text].key
    for path in (world.store / "measured" / key).iterdir():
        path.unlink()
    for suffix in ("json", "npz"):
        (world.folder().files / f"{key}.{suffix}").unlink()
    return key


@pytest.mark.parametrize("stage", ["pretrained", "victim"])
def test_a_damaged_model_is_trained_again_to_the_same_bits(micro, clipdefense, stage):
    result = micro.found()[CELL]
    path = micro.store / stage / result.provenance.keys[stage] / "model.safetensors"
    before, intact = plain({CELL: result}), path.read_bytes()
    forget(micro, CELL)
    flip(path)
    finished = clipdefense(*BLENDED)
    assert finished.out.splitlines()[-1] == "1 ok in runs/micro"
    assert path.read_bytes() == intact
    again = micro.found()[CELL]
    assert stage in again.provenance.stage_seconds, "the damaged model was used"
    assert plain({CELL: again}) == before


def test_a_result_that_is_damaged_in_the_run_folder_comes_from_the_store(micro, clipdefense, monkeypatch):
    before = micro.found()
    paths = sorted(micro.folder().files.iterdir())
    for path, damage in zip(
        paths, (flip, lambda path: path.write_text(""), lambda path: path.unlink()) * 9, strict=False
    ):
        damage(path)
    monkeypatch.setattr("benchmark.cells.Laboratory.compute", lambda self, job: 1 / 0)
    assert clipdefense("run", "micro.toml").out.splitlines() == ["14 ok in runs/micro"]
    assert micro.found() == before


def test_a_result_that_is_damaged_everywhere_is_computed_again(micro, clipdefense):
    before = plain(micro.found())
    key = micro.found()[CELL].key
    for path in (micro.store / "measured" / key / f"{key}.json", micro.folder().files / f"{key}.json"):
        path.write_text(path.read_text().replace('"status": "ok"', '"status": "okay"'))
    finished = clipdefense("run", "micro.toml")
    assert finished.out.splitlines()[-1] == "14 ok in runs/micro"
    assert len(finished.out.splitlines()) == 2
    assert plain(micro.found()) == before


def artifacts(world):
    return {
        path.relative_to(world.store).as_posix()
        for path in world.store.glob("*/*")
        if path.is_dir() and any(path.iterdir())
    }


def test_prune_keeps_what_plans_refer_to(micro, clipdefense):
    before = artifacts(micro)
    assert clipdefense("store", "prune").out.startswith("removed 0 artifacts, 0.0 MB (1 plans kept)")
    assert artifacts(micro) == before
    assert clipdefense("run", "micro.toml").out.splitlines() == ["14 ok in runs/micro"]


def test_prune_removes_the_rest(micro, clipdefense):
    before = artifacts(micro)
    micro.matrix("micro", 'attacks = ["badnets"]\nbenign = ""\ndefenses = ["none"]')
    clipdefense("plan", "micro.toml")
    dry = clipdefense("store", "prune", "--dry-run").out
    assert artifacts(micro) == before
    assert clipdefense("store", "prune").out == dry.replace("would remove", "removed")
    after = artifacts(micro)
    keys = {key for planned in micro.folder().plan().cells for key in planned.keys.values()}
    assert after == {name for name in before if name.split("/")[1] in keys}
    assert {name.split("/")[0] for name in after} == {"pretrained", "victim", "measured"}
    assert dry.startswith(f"would remove {len(before) - len(after)} artifacts")


def test_prune_cleans_up_after_a_dead_process(micro, clipdefense):
    half = micro.store / "victim" / ".writing-abc"
    half.mkdir()
    (half / "model.safetensors").write_bytes(bytes(1000))
    assert clipdefense("store", "prune").out.startswith("removed 1 artifacts")
    assert not half.exists()


def test_prune_without_a_readable_plan_removes_nothing(micro, clipdefense):
    before = artifacts(micro)
    finished = clipdefense("store", "prune", "--runs", "elsewhere")
    assert finished.code == 2
    assert "there is no plan in 'elsewhere'" in finished.err
    (micro.folder().path / "plan.json").write_text('{"matrix": "micro"}')
    finished = clipdefense("store", "prune")
    assert finished.code == 2
    assert "is not a plan of this version" in finished.err
    assert artifacts(micro) == before
