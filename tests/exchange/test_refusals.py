"""Files that are damaged, foreign, forged or malicious are refused in one sentence, before anything is written."""

import io
import zipfile

import numpy as np
import pytest

from benchmark.exchange.archive import MEMBER_BYTES


def change(name, value):
    return lambda plain: plain.update({name: value})


def point(field, value, split="test"):
    return lambda result: result["points"][0][split].update({field: value})


def renamed(parcel):
    key = "0" * 32
    for kind in ("json", "npz"):
        parcel.members[f"results/{key}.{kind}"] = parcel.members.pop(f"results/{parcel.key}.{kind}")


def reshaped(parcel):
    arrays = parcel.arrays()
    parcel.pack_arrays(arrays | {"test": arrays["test"][1:]})


def flipped(parcel):
    arrays = parcel.arrays()
    parcel.pack_arrays(arrays | {"test": ~arrays["test"]})


def pickled(parcel):
    parcel.pack_arrays(parcel.arrays() | {"test": np.array([{"a": 1}], dtype=object)})


def huge(parcel):
    arrays = parcel.arrays()
    parcel.pack_arrays(arrays | {"test": np.zeros(MEMBER_BYTES + 1, dtype=np.uint8)})


def resized(parcel):
    arrays = parcel.arrays()
    parcel.pack_arrays(arrays | {"sizes": np.array([60, 10**9], dtype=np.int64).view(np.uint8)})


def another_key(result):
    result["key"] = "1" * 32


def other_seed(result):
    result["cell"]["seed"] = 5


def lost_time(result):
    result["points"][1]["strength"] = result["points"][0]["strength"]


def with_gate_on(result):
    result["status"], result["reason"] = "failed", "because"


FORGED = {
    "a rate above one": (point("clean_accuracy", 1.5), "clean_accuracy (test) at point 0 is 1.5, outside of 0 to 1"),
    "a rate below zero": (point("robust_accuracy", -0.1, "validation"), "robust_accuracy (validation) at point 0"),
    "a signed rate below minus one": (
        point("trigger_shift", -2),
        "trigger_shift (test) at point 0 is -2, outside of -1",
    ),
    "a rate that is none": (point("clean_accuracy", float("nan")), "clean_accuracy (test) at point 0 is nan"),
    "a route above one": (point("route_success", [0.5, 7.0]), "route_success (test) at point 0 is 7"),
    "a better rate": (point("attack_success_rate", 0.0), "attack_success_rate (test) at point 0 is 0 and its outcomes"),
    "a better clean rate": (point("clean_accuracy", 0.99), "clean_accuracy (test) at point 0 is 0.99 and its outcomes"),
    "a better validation rate": (point("clean_accuracy", 0.99, "validation"), "(validation) at point 0 is 0.99 and"),
    "a pick that is no point": (lambda r: r["picks"].update(blind=2), "a pick lies outside of its 2 points"),
    "a pick below the victim": (lambda r: r["picks"].update(oracle=-2), "a pick lies outside of its 2 points"),
    "a better pick": (
        lambda r: r["picks"].update(blind=(r["picks"]["blind"] + 2) % 3 - 1),
        "and its validation outcomes give",
    ),
    "another budget": (lambda r: r["picks"].update(budget=50.0), "at a budget of 50 points and the plan's is 2"),
    "too many others": (lambda r: r["counts"].update(test_other=61), "61 of 60 test images cannot be outside"),
    "other counts": (lambda r: r["counts"].update(validation_other=1), "its validation outcomes count"),
    "more images": (
        lambda r: r["counts"].update(test=600),
        "test outcomes have the shape (3, 3, 60) instead of (3, 3,",
    ),
    "a negative seed": (lambda r: r["provenance"]["seeds"].update(victim=-1), "a seed lies outside of 0 to"),
    "a huge seed": (lambda r: r["provenance"]["seeds"].update(victim=2**63), "a seed lies outside of 0 to"),
    "no classes": (change("classes", 0), "it has 0 classes"),
    "equal strengths": (lost_time, "its strengths do not increase"),
    "an endless strength": (lambda r: r["points"][1].update(strength=float("inf")), "its strengths do not increase"),
    "a negative cost": (lambda r: r["cost"].update(seconds=-1.0), "its cost is below zero"),
    "an effectiveness above one": (lambda r: r["points"][0].update(defense_effectiveness=3.0), "outside of 0 to 1"),
    "a rebound above one": (change("rebound", 1.2), "rebound lies outside of 0 to 1"),
    "an accepted victim": (
        lambda r: r["gate"].update(accepted=not r["gate"]["accepted"]),
        "against the rates that its",
    ),
    "another gate": (lambda r: r["gate"].update(attack_success_rate=0.99), "its gate saw other rates than those of"),
    "less knowledge": (change("knowledge", []), "knows something else than its plan says"),
    "no points": (change("points", []), "it is ok and has no points"),
    "no victim": (change("victim", None), "it is ok and lacks counts, picks or what was measured"),
    "a failure with numbers": (with_gate_on, "it is failed and has numbers"),
    "another key inside": (another_key, f"calls itself '{'1' * 32}'"),
    "another cell": (other_seed, "is not in its plan"),
    "another origin": (lambda r: r["provenance"]["keys"].update(victim="2" * 32), "has other keys than its plan"),
    "a foreign schema": (change("schema_version", 2), "is of schema version 2 and this clipdefense reads 1 to 1"),
    "a schema that is none": (change("schema_version", "one"), "is of schema version one"),
    "foreign metrics": (change("metric_version", 99), "metric version 99 is not among 1 to 1"),
    "an unknown field": (change("surprise", 1), "is not a result of this version: surprise"),
    "an unknown status": (change("status", "fine"), "is not a result of this version: status"),
    "words for a number": (point("clean_accuracy", "high"), "is not a result of this version: points.0.test.clean"),
}
DAMAGED = {
    "no outcomes": (lambda p: p.members.pop(p.npz), "its per-image outcomes are missing"),
    "no result": (lambda p: p.members.pop(p.json), "without its result; export the run again"),
    "another name": (renamed, "calls itself"),
    "lost points": (reshaped, "its test outcomes have the shape (2, 3, 60) instead of (3, 3, 60)"),
    "flipped outcomes": (flipped, "and its outcomes say"),
    "pickled outcomes": (pickled, "holds no outcomes"),
    "huge outcomes": (huge, "unpacks to more than 64 MiB"),
    "endless outcomes": (resized, "holds no outcomes"),
    "no array": (lambda p: p.members.update({p.npz: b"nothing"}), "holds no outcomes"),
    "no JSON": (lambda p: p.members.update({p.json: b"nothing"}), "is no result; export the run again"),
    "a list": (lambda p: p.members.update({p.json: b"[]"}), "is no result; export the run again"),
    "no plan": (lambda p: p.members.update({"plan.json": b"{}"}), "plan.json is not a plan of this version: matrix"),
    "a plan without a cell": (
        lambda p: p.edit("plan.json", lambda plan: plan["cells"].clear()),
        "is not in its plan",
    ),
    "a cell twice": (
        lambda p: p.edit("plan.json", lambda plan: plan["cells"].append(plan["cells"][0])),
        "two cells of its plan share a key",
    ),
    "a matrix that leaves the folder": (
        lambda p: p.edit("plan.json", change("matrix", "../../outside")),
        "'../../outside' is no name for a run folder",
    ),
}
UNSIGNED = {
    "a changed result": (lambda p: p.edit(p.json, change("classes", 11)), "was changed after the export (its SHA-256"),
    "changed outcomes": (flipped, "was changed after the export (its SHA-256 differs); it is refused"),
    "a lost result": (lambda p: p.members.pop(p.json), "which its manifest names; fetch it again"),
    "a new result": (
        lambda p: p.members.update({f"results/{'a' * 32}.json": b"{}"}),
        "was added after the export; it is refused",
    ),
    "no manifest": (lambda p: p.members.pop("manifest.json"), "has no manifest.json; it was not written by"),
    "an empty manifest": (lambda p: p.members.update({"manifest.json": b""}), "manifest.json cannot be read"),
    "another manifest": (
        lambda p: p.edit("manifest.json", change("format", "something else")),
        "manifest.json is no manifest of results",
    ),
    "a newer format": (lambda p: p.edit("manifest.json", change("format_version", 2)), "is of format version 2 and"),
    "a newer schema": (lambda p: p.edit("manifest.json", change("schema_version", 9)), "is of schema version 9 and"),
    "schema zero": (lambda p: p.edit("manifest.json", change("schema_version", 0)), "this clipdefense reads 1 to 1;"),
    "a way out": (lambda p: p.extra.append(("../evil.json", b"{}")), "holds '../evil.json', which is neither a plan"),
    "a deep way out": (lambda p: p.extra.append(("results/../../evil.json", b"{}")), "which is neither a plan nor"),
    "an absolute way out": (lambda p: p.extra.append(("/tmp/evil.json", b"{}")), "which is neither a plan nor"),
    "a way out of Windows": (
        lambda p: p.extra.append(("results\\..\\evil.json", b"{}")),
        "which is neither a plan nor",
    ),
    "a program": (lambda p: p.extra.append(("run.py", b"{}")), "holds 'run.py', which is neither a plan nor"),
    "a name twice": (lambda p: p.extra.append((p.json, b"{}")), "twice; export the run again"),
    "an oversized member": (
        lambda p: p.members.update({p.json: bytes(MEMBER_BYTES + 1)}),
        "unpacks to more than 64 MiB; it is refused",
    ),
}
FILES = {
    "a web page": (b"<!DOCTYPE html><html></html>", "is an HTML page instead of data"),
    "nothing": (b"", "is empty; fetch it again"),
    "words": (b"results", "is no zip file that can be read"),
}


def refused(world, clipdefense, content, sentence):
    (world.home / "parcel.zip").write_bytes(content)
    before = {path for path in world.home.parent.rglob("*") if path.is_file()}
    finished = clipdefense("import-results", "parcel.zip")
    assert finished.code == 2, finished.err
    assert finished.out == ""
    assert len(finished.err.splitlines()) == 1
    assert sentence in finished.err
    assert {path for path in world.home.parent.rglob("*") if path.is_file()} == before
    assert not (world.home / "runs").exists()


@pytest.mark.parametrize("forgery", FORGED)
def test_a_result_that_cannot_be_true(world, clipdefense, parcel, forgery):
    """The forger knows how to write a manifest."""
    forge, sentence = FORGED[forgery]
    parcel.edit(parcel.json, forge)
    parcel.sign()
    refused(world, clipdefense, parcel.written(), sentence)


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_file_that_does_not_hang_together(world, clipdefense, parcel, damage):
    inflict, sentence = DAMAGED[damage]
    inflict(parcel)
    parcel.sign()
    refused(world, clipdefense, parcel.written(), sentence)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("change", UNSIGNED)
def test_a_file_that_was_tampered_with(world, clipdefense, parcel, change):
    tamper, sentence = UNSIGNED[change]
    tamper(parcel)
    refused(world, clipdefense, parcel.written(), sentence)


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_is_none(world, clipdefense, kind):
    refused(world, clipdefense, *FILES[kind])


def test_a_file_that_is_not_there(world, clipdefense):
    finished = clipdefense("import-results", "nowhere.zip")
    assert (finished.code, finished.err) == (2, "'nowhere.zip' does not exist\n")


def test_a_file_that_lost_its_end(world, clipdefense, exported):
    refused(world, clipdefense, exported[: len(exported) // 2], "is no zip file that can be read")


def test_a_file_with_a_flipped_bit(world, clipdefense, exported):
    content = bytearray(exported)
    content[len(content) // 3] ^= 1
    refused(world, clipdefense, bytes(content), "'parcel.zip'")


def test_a_skipped_cell_needs_a_reason(world, clipdefense, parcel):
    def skip(result):
        result.update(status="skipped", points=[], picks=None, victim=None, reason="")

    parcel.edit(parcel.json, skip)
    parcel.members.pop(parcel.npz)
    parcel.sign()
    refused(world, clipdefense, parcel.written(), "it is skipped and gives no reason")


def test_a_parcel_that_nobody_changed_is_taken(world, clipdefense, parcel):
    """Otherwise every refusal above would mean nothing; a folder's own entry is no stranger."""
    parcel.sign()
    parcel.extra.append(("results/", b""))
    (world.home / "parcel.zip").write_bytes(parcel.written())
    assert zipfile.ZipFile(io.BytesIO(parcel.written())).testzip() is None
    assert clipdefense("import-results", "parcel.zip").out == "14 results imported into runs/micro\n"
