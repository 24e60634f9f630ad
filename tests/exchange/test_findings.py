"""Findings of studies travel with the results, and are looked at like them."""

import json
import zipfile

import numpy as np
import pytest

from benchmark.exchange.archive import write_archive
from benchmark.findings import Finding, StudyId
from benchmark.runs import Plan, PlannedStudy, RunFolder
from benchmark.separation import packed, separation

KEY, OTHER = "ab" * 16, "cd" * 16
STUDY = StudyId(kind="detection", name="spectral", model="tiny-resnet", dataset="shapes", attack="badnets", seed=0)
GENERATOR = np.random.default_rng(0)
SCORES = {"suspicious": GENERATOR.normal(1, 1, 40), "others": GENERATOR.normal(0, 1, 200)}


@pytest.fixture
def folder(world):
    """A run with one finding of two studies."""
    made = RunFolder(world.home / "runs" / "found")
    studies = [
        PlannedStudy(study=STUDY.model_copy(update={"seed": seed}), keys={"detection": key})
        for seed, key in enumerate((KEY, OTHER))
    ]
    made.write_plan(Plan(matrix="found", cells=(), studies=tuple(studies)))
    values = {**separation(*SCORES.values()), "scores": {side: packed(found) for side, found in SCORES.items()}}
    resolved = {"scored": "pairs", "path": str(world.home / "data")}
    made.findings.write(Finding(key=KEY, study=STUDY, status="ok", values=values, resolved=resolved, seconds=2.5))
    return made


def rewritten(world, change):
    """The exported run with its finding changed by somebody who knows how to write a manifest."""
    with zipfile.ZipFile(world.home / "found.zip") as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name != "manifest.json"}
    name = f"findings/{KEY}.json"
    plain = json.loads(members[name])
    change(plain)
    write_archive(world.home / "forged.zip", members | {name: json.dumps(plain).encode()})
    return "forged.zip"


def test_a_finding_travels(world, folder, clipdefense):
    assert clipdefense("export-results", "found", "found.zip").out == (
        "0 results and 1 findings in found.zip, 1 are missing\n"
    )
    assert clipdefense("import-results", "found.zip", "--as", "there").code == 0
    there = RunFolder(world.home / "runs" / "there")
    before, after = folder.findings.read(KEY), there.findings.read(KEY)
    assert there.plan() == folder.plan()
    assert after.values == before.values and after.seconds == 2.5
    assert after.resolved == {"scored": "pairs", "path": "data"}
    assert clipdefense("import-results", "found.zip").out == (
        "0 results imported into runs/found, 1 were there already\n"
    )


def test_a_different_finding_stays(world, folder, clipdefense):
    clipdefense("export-results", "found", "found.zip")
    mine = folder.findings.read(KEY)
    folder.findings.write(mine.model_copy(update={"values": mine.values | {"samples": 7}}))
    finished = clipdefense("import-results", "found.zip")
    assert finished.code == 2 and KEY in finished.err and "and stays; import under another name" in finished.err
    assert folder.findings.read(KEY).values["samples"] == 7


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda finding: finding["values"].update(auroc=0.999), "auroc is 0.999 and its scores say"),
        (lambda finding: finding["values"].update(auprc=1.2), "auprc is 1.2, outside of 0 to 1"),
        (lambda finding: finding["values"].update(base_rate="high"), "base_rate is 'high', outside of 0 to 1"),
        (lambda finding: finding["values"]["scores"].update(others="A"), "its scores cannot be read"),
        (lambda finding: finding["values"]["scores"].update(others=""), "and its scores say nan"),
        (lambda finding: finding.update(status="failed"), "is failed and has values"),
        (lambda finding: finding.update(key=OTHER), "is not in its plan"),
        (lambda finding: finding["study"].update(seed=1), "is not in its plan"),
        (lambda finding: finding.update(schema_version=9), "is of schema version 9 and this clipdefense reads 1 to 1"),
        (lambda finding: finding.update(surprise=1), "is not a finding of this version: surprise"),
    ],
)
def test_a_finding_that_cannot_be_true_is_refused(world, folder, clipdefense, change, sentence):
    clipdefense("export-results", "found", "found.zip")
    finished = clipdefense("import-results", rewritten(world, change), "--as", "there")
    assert finished.code == 2 and len(finished.err.splitlines()) == 1
    assert sentence in finished.err
    assert not (world.home / "runs" / "there").exists()
