"""Synthetic run folders: plans, results and per-image outcomes from one small seeded generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from benchmark.findings import Finding, StudyId
from benchmark.metrics import METRIC_VERSION
from benchmark.picking import blind_pick, oracle_pick
from benchmark.results import CellId, Cost, Counts, Gate, Measured, Outcomes, Picks, PointRecord, Provenance, Result
from benchmark.runs import Plan, PlannedCell, PlannedStudy, RunFolder
from benchmark.seeds import derive
from benchmark.sketches import packed as packed_sketch
from benchmark.sketches import sketch
from benchmark.thumbnails import packed as packed_picture

ATTACKS = ("badnets", "blended", "sig", "wanet", "trojvqa", "ftrojan", "mmpoison", "badclip")
KNOWLEDGE = {
    "none": (),
    "pruning": (),
    "finetune": ("clean_pairs",),
    "cleanclip": ("clean_pairs",),
    "task_vector": ("clean_pairs", "trigger"),
    "target_unlearn": ("clean_pairs", "target"),
    "wise_ft": ("clean_pairs", "reference_model"),
    "abl": ("training_pairs",),
}


@dataclass(frozen=True, kw_only=True)
class Synthetic:
    """What a run folder is asked to hold.

    Attributes:
        strong: how fast success falls along the strengths, per defense; drawn at random when absent.
        harm: clean accuracy lost at the last point, per defense; drawn at random when absent.
        spoilt: defenses whose first point gets half of the clean images wrong.
        recall_loss: loss of target recall at every point, per defense.
        holes: status by (attack, defense, seed): "missing", "skipped", "failed" or "left out" of the plan.
        weak: (attack, seed) of victims that the gate refuses.
        copies: defenses whose outcomes are those of another one.
        versions: version by (attack, defense) where it is not "1".
        rebound: of defenses that have one.
        reason: why a failed cell failed.
        traceback: of a failed cell.
        analysis: whether the victims were analysed.
        unanalysed: status by (attack, study) of analyses that are holes.
    """

    attacks: tuple[str, ...] = ATTACKS[:4]
    defenses: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {name: KNOWLEDGE[name] for name in ("none", "finetune", "cleanclip", "pruning")}
    )
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0, 1, 2)
    models: tuple[str, ...] = ("tiny-resnet",)
    datasets: tuple[str, ...] = ("shapes",)
    images: int = 200
    points: int = 6
    strong: Mapping[str, float] = field(default_factory=dict)
    harm: Mapping[str, float] = field(default_factory=dict)
    spoilt: tuple[str, ...] = ()
    recall_loss: Mapping[str, float] = field(default_factory=dict)
    holes: Mapping[tuple[str, str, int], str] = field(default_factory=dict)
    weak: frozenset[tuple[str, int]] = frozenset()
    copies: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[tuple[str, str], str] = field(default_factory=dict)
    reason: str = "the loss is not finite"
    traceback: str = "Traceback (most recent call last):\n  FloatingPointError: the loss is not finite"
    budget: float = 2.0
    benign: bool = True
    held_out: tuple[str, ...] = ()
    rebound: Mapping[str, float] = field(default_factory=dict)
    analysis: bool = False
    unanalysed: Mapping[tuple[str, str], str] = field(default_factory=dict)


Flags = np.ndarray


def _flags(generator: np.random.Generator, propensity: Flags, shares: Flags, jitter: float = 0.03) -> Flags:
    """Per point (P,) a share of the images, the images of highest propensity first: (P, n) booleans."""
    noisy = propensity[None, :] + generator.normal(0, jitter, (len(shares), len(propensity)))
    return noisy > 1 - shares[:, None]


def _measured(clean: Flags, success: Flags, robust: Flags, other: Flags, recall: float) -> Measured:
    rate = float(success[other].mean())
    return Measured(
        clean_accuracy=float(clean.mean()),
        attack_success_rate=rate,
        attack_success_rate_all=float(success.mean()),
        attack_success_rate_net=rate - 0.05,
        robust_accuracy=float(robust[other].mean()),
        target_recall=recall,
        trigger_shift=0.02,
    )


@dataclass(frozen=True)
class Split:
    """The outcomes (1 + P, 3, n) of one split and which images are not of the target class (n,)."""

    bits: Flags
    other: Flags

    @classmethod
    def draw(cls, world: Synthetic, cell: CellId, split: str, victim_success: float) -> Split:
        images = np.random.default_rng(derive("images", cell.dataset, cell.model, split))
        easy, other = images.random(world.images), images.random(world.images) > 0.1
        name = world.copies.get(cell.defense, cell.defense)
        victim = np.random.default_rng(derive("victim", split, cell.attack, cell.model, cell.seed, cell.victim))
        weak_spot = np.clip(easy * 0.5 + victim.random(world.images) * 0.5, 0, 1)
        traits = np.random.default_rng(derive("traits", name))
        strong = world.strong.get(name, traits.uniform(0.2, 4.0))
        harm = world.harm.get(name, traits.uniform(0.0, 0.15))
        draws = np.random.default_rng(derive("cell", split, cell.attack, cell.model, cell.seed, cell.victim, name))
        steps = np.linspace(0, 1, world.points + 1)
        if name == "none":
            steps, strong, harm = np.array([0.0, 0.0]), 0.0, 0.0
        base = 0.72 + victim.normal(0, 0.008)
        decay = np.exp(-strong * steps * np.exp(draws.normal(0, 0.25)))
        clean = _flags(draws, easy, base - harm * steps**2)
        if name in world.spoilt:
            clean[1, ::2] = False
        success = _flags(draws, weak_spot, victim_success * decay + 0.01) & other
        robust = _flags(draws, easy, base * (1 - victim_success * decay)) & other & ~success
        if name == "none":
            clean, success, robust = clean[[0, 0]], success[[0, 0]], robust[[0, 0]]
        return cls(np.stack([clean, success, robust], axis=1), other)

    def measured(self, row: int, recall: float) -> Measured:
        clean, success, robust = self.bits[row]
        return _measured(clean, success, robust, self.other, recall)


def _records(world: Synthetic, cell: CellId, validation: Split, test: Split) -> tuple[PointRecord, ...]:
    recall = 0.8 - world.recall_loss.get(cell.defense, 0.0)
    found = []
    for row in range(1, len(test.bits)):
        measured = test.measured(row, recall)
        before = test.measured(0, 0.8)
        gain = max(0.0, before.attack_success_rate - measured.attack_success_rate)
        loss = max(0.0, before.clean_accuracy - measured.clean_accuracy)
        kept = measured.clean_accuracy / before.clean_accuracy
        record = PointRecord(
            strength=float(row),
            seconds=2.0 * row,
            validation=validation.measured(row, recall),
            test=measured,
            general_accuracy=measured.clean_accuracy - 0.1,
            defense_effectiveness=0.5 * (gain - loss + 1),
            retained_accuracy=kept,
            retained_accuracy_corrected=kept,
        )
        found.append(record)
    return tuple(found)


def _picks(world: Synthetic, validation: Split) -> Picks:
    clean, points = validation.bits[0, 0], list(validation.bits[1:, 0])
    success = [float(bits[1][validation.other].mean()) for bits in validation.bits[1:]]
    return Picks(
        budget=world.budget,
        blind=blind_pick(clean, points, world.budget),
        oracle=oracle_pick(clean, points, success, world.budget),
    )


def _provenance(world: Synthetic, cell: CellId, key: str) -> Provenance:
    return Provenance(
        utc=f"2024-05-0{1 + cell.seed % 9}T12:00:00Z",
        device="cpu",
        git_commit="0123abcd",
        packages={"torch": "2.11"},
        keys={"measured": key},
        plugins={"attack": "a", "dataset": "d", "defense": world.versions.get((cell.attack, cell.defense), "1")},
        seeds={"victim": derive("victim", cell.attack, cell.seed), "defense": derive(cell.text)},
        stage_seconds={"defended": 1.5, "measured": 0.25},
    )


def _resolved(world: Synthetic, cell: CellId) -> dict[str, object]:
    recipe = {"learning_rate": 4e-3, "epochs": 6, "batch_size": 128, "weight_decay": 0.05, "equal_captions": "soft"}
    return {
        "model": {"name": cell.model, "config": {"embed_dim": 64, "vision_cfg": {"layers": [1, 1], "width": 16}}},
        "dataset": {"plugin": cell.dataset, "seed": 0},
        "attack": {"plugin": cell.attack, "target": "heart", "side": 0.125},
        "defense": {"plugin": cell.defense, **recipe},
        "protocol": recipe,
        "poisons": 12,
        "sizes": {"validation": world.images, "test": world.images},
        "precision": "float32",
    }


def _gate(world: Synthetic, cell: CellId, validation: Split) -> Gate:
    accepted = (cell.attack, cell.seed) not in world.weak
    victim = validation.measured(0, 0.8)
    return Gate(
        accepted=accepted,
        reason="" if accepted else "success is below 0.90",
        attack_success_rate=victim.attack_success_rate,
        attack_success_rate_of_clean_model=0.03,
        clean_accuracy=victim.clean_accuracy,
        clean_accuracy_of_clean_model=0.73,
    )


def _result(world: Synthetic, cell: CellId, key: str) -> tuple[Result, Outcomes]:
    success = {"benign": 0.03, "clean": 0.03}.get(
        cell.victim, 0.96 if (cell.attack, cell.seed) not in world.weak else 0.6
    )
    validation, test = (Split.draw(world, cell, split, success) for split in ("validation", "test"))
    clean = Measured(
        clean_accuracy=0.73,
        attack_success_rate=0.03,
        attack_success_rate_all=0.03,
        attack_success_rate_net=0.0,
        robust_accuracy=0.7,
        target_recall=0.8,
        trigger_shift=0.01,
    )
    cost = Cost(seconds=2.0 * len(test.bits) + len(cell.defense), clean_pairs=500, optimiser_steps=100)
    result = Result(
        metric_version=METRIC_VERSION,
        key=key,
        cell=cell,
        status="ok",
        knowledge=world.defenses[cell.defense],
        resolved=_resolved(world, cell),
        classes=10,
        counts=Counts(
            validation=world.images,
            validation_other=int(validation.other.sum()),
            test=world.images,
            test_other=int(test.other.sum()),
        ),
        clean=clean,
        victim=test.measured(0, 0.8),
        victim_validation=validation.measured(0, 0.8),
        victim_general_accuracy=0.6,
        gate=_gate(world, cell, validation) if cell.victim == "poisoned" else None,
        points=_records(world, cell, validation, test),
        picks=_picks(world, validation),
        rebound=world.rebound.get(cell.defense),
        cost=cost,
        provenance=_provenance(world, cell, key),
    )
    return result, Outcomes(
        validation=validation.bits, test=test.bits, validation_other=validation.other, test_other=test.other
    )


def _cells(world: Synthetic) -> list[CellId]:
    found = []
    for model, dataset, attack, seed, defense in product(
        world.models, world.datasets, world.attacks, world.seeds, world.defenses
    ):
        kinds = ("poisoned", "benign") if world.benign and attack == world.attacks[0] else ("poisoned",)
        kinds += ("clean",) if defense == "none" else ()
        for source, kind in product(world.sources.get(defense, ("none",)), kinds):
            cell = CellId(
                model=model, dataset=dataset, attack=attack, source=source, defense=defense, seed=seed, victim=kind
            )
            found.append(cell)
    return found


def _hole(world: Synthetic, cell: CellId, key: str, status: str) -> Result:
    failed = status == "failed"
    return Result(
        metric_version=METRIC_VERSION,
        key=key,
        cell=cell,
        status=status,
        reason=world.reason if failed else "it needs 'trigger', which is not granted",
        traceback=world.traceback if failed else "",
        knowledge=world.defenses[cell.defense],
        resolved=_resolved(world, cell),
        provenance=_provenance(world, cell, key),
    )


def write(world: Synthetic, path: Path) -> RunFolder:
    """Writes the plan, and every result that is not missing, into the run folder at ``path``."""
    folder = RunFolder(path)
    planned = []
    for cell in _cells(world):
        hole = world.holes.get((cell.attack, cell.defense, cell.seed)) if cell.victim == "poisoned" else None
        if hole == "left out":
            continue
        key = f"{derive(cell.text):016x}"
        planned.append(PlannedCell(cell=cell, keys={"measured": key}, knowledge=world.defenses[cell.defense]))
        if hole is None:
            folder.write(*_result(world, cell, key))
        elif hole != "missing":
            folder.write(_hole(world, cell, key, hole), None)
    plan = Plan(
        matrix="synthetic",
        summary="A made-up matrix.",
        budget=world.budget,
        held_out=world.held_out,
        cells=tuple(planned),
        studies=_analyses(world, folder) if world.analysis else (),
    )
    folder.write_plan(plan)
    return folder


def multiplied(folder: RunFolder, path: Path, cells: int) -> RunFolder:
    """A run of so many cells, made of copies of a small one under other names of its models; cheap to write."""
    found, plan = RunFolder(path), folder.plan()
    found.files.mkdir(parents=True)
    planned = []
    for number in range(cells):
        copy, place = divmod(number, len(plan.cells))
        original = plan.cells[place]
        cell = original.cell.model_copy(update={"model": f"{original.cell.model}-{copy}"})
        key = f"{derive(cell.text):032x}"
        planned.append(PlannedCell(cell=cell, keys={"measured": key}, knowledge=original.knowledge))
        result = folder.result(original.key)
        if result is not None:
            content = result.model_copy(update={"cell": cell, "key": key}).model_dump_json(indent=1)
            (found.files / f"{key}.json").write_text(content)
        if result is not None and result.status == "ok":
            (found.files / f"{key}.npz").write_bytes((folder.files / f"{original.key}.npz").read_bytes())
    found.write_plan(plan.model_copy(update={"cells": tuple(planned)}))
    return found


STUDIES = (
    "thumbnails",
    "disentanglement",
    "disentanglement_backdoor",
    "disentanglement_victim",
    "vectors",
    "data_budget",
)


def _analyses(world: Synthetic, folder: RunFolder) -> tuple[PlannedStudy, ...]:
    planned = []
    for model, dataset, attack, seed in product(world.models, world.datasets, world.attacks, world.seeds):
        parameters = 40_000 * 4 ** world.models.index(model)
        for name in STUDIES if seed == world.seeds[0] else STUDIES[1:]:
            study = StudyId(kind="analysis", name=name, model=model, dataset=dataset, attack=attack, seed=seed)
            key = f"{derive(study.text):016x}"
            planned.append(PlannedStudy(study=study, keys={"analysis": key}))
            status = world.unanalysed.get((attack, name), "ok")
            draws = np.random.default_rng(derive("finding", study.text))
            if status != "missing":
                values = VALUES[name.partition("_")[0]](draws, parameters) if status == "ok" else {}
                reason = "" if status == "ok" else "it did not work out"
                folder.findings.write(Finding(key=key, study=study, status=status, reason=reason, values=values))
    return tuple(planned)


def _grid(draws: np.random.Generator, parameters: int) -> dict[str, object]:
    """Errors that grow with the product of the two multiples."""
    alphas = np.linspace(-2, 2, 9)
    term = np.clip(draws.uniform(0.1, 0.6) * np.abs(np.outer(alphas, alphas)), 0, 1)
    return {
        "alphas": alphas.tolist(),
        "images": 200,
        "split": "test",
        "xi": (2 * term).tolist(),
        "xi_clean": term.tolist(),
        "xi_trigger": term.tolist(),
        "clean_accuracy": (0.9 - 0.4 * term).tolist(),
        "attack_success_rate": np.broadcast_to(np.clip(alphas, 0, 1), term.shape).tolist(),
        "parameters": parameters + 3_000_000,
        "vision_parameters": parameters,
        "negation": "task_vector",
        "finetune": "finetune",
    }


def _vectors(draws: np.random.Generator, parameters: int) -> dict[str, object]:
    names = ("trigger", "backdoor", "poisoning", "clean_task", "trigger_task", "finetuning")
    vectors = draws.normal(size=(len(names), 300))
    vectors[1] += vectors[0]
    norms = np.linalg.norm(vectors, axis=1)
    cosines = vectors @ vectors.T / np.outer(norms, norms)
    part = {
        "norms": dict(zip(names, norms.tolist(), strict=True)),
        "cosines": {one: dict(zip(names, row.tolist(), strict=True)) for one, row in zip(names, cosines, strict=True)},
    }
    kept = {name: packed_sketch(sketch({"w": vectors[row]})) for row, name in enumerate(names[:2])}
    return {"both": part, "vision": part, "sketches": kept, "sketch_width": 8192}


def _budget(draws: np.random.Generator, parameters: int) -> dict[str, object]:
    rows = []
    for method, defense, strong in (("negation", "task_vector", 0.8), ("finetune", "finetune", 0.2)):
        for pairs in (8, 32, 125, 500):
            success = 0.96 * (1 - strong * np.log(pairs) / np.log(500)) + draws.uniform(0, 0.05)
            rates = {"attack_success_rate": success, "clean_accuracy": 0.7, "oracle_attack_success_rate": success / 2}
            rest = {"strength": 1.0, "is_victim": False, "optimiser_steps": pairs // 8, "seconds": 1.0}
            rows.append({"method": method, "defense": defense, "pairs": pairs, **rates, **rest})
    return {"rows": rows, "victim": {"attack_success_rate": 0.96, "clean_accuracy": 0.72}}


def _thumbnails(draws: np.random.Generator, parameters: int) -> dict[str, object]:
    images = []
    for name in ("circle", "star"):
        clean = np.full((32, 32, 3), draws.integers(60, 190), dtype=np.uint8)
        triggered = clean.copy()
        triggered[24:, 24:] = 255
        images.append({"class": name, "clean": packed_picture(clean), "triggered": packed_picture(triggered)})
    return {"images": images, "signal_to_noise": 21.5, "measured_images": 100, "split": "validation"}


VALUES = {"thumbnails": _thumbnails, "disentanglement": _grid, "vectors": _vectors, "data": _budget}


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., RunFolder]:
    """A function from the fields of ``Synthetic`` to a written run folder."""

    def made(**fields: object) -> RunFolder:
        return write(Synthetic(**fields), tmp_path_factory.mktemp("run") / "synthetic")

    return made


@pytest.fixture(scope="session")
def multiply() -> Callable[[RunFolder, Path, int], RunFolder]:
    return multiplied


MIXED = {name: KNOWLEDGE[name] for name in KNOWLEDGE}


@pytest.fixture(scope="session")
def mixed(build: Callable[..., RunFolder]) -> RunFolder:
    """Four attacks, eight defenses, three seeds, all levels of knowledge, one hole of each kind, one weak victim."""
    return build(
        defenses=MIXED,
        sources={"task_vector": ("given", "decree")},
        holes={
            ("badnets", "cleanclip", 1): "failed",
            ("blended", "wise_ft", 0): "skipped",
            ("sig", "abl", 2): "missing",
        },
        weak=frozenset({("wanet", 1)}),
        analysis=True,
        unanalysed={
            ("sig", "disentanglement"): "failed",
            ("sig", "vectors"): "missing",
            ("sig", "thumbnails"): "skipped",
        },
        strong={"finetune": 0.6, "task_vector": 6.0, "pruning": 0.8},
        harm={"finetune": 0.02, "task_vector": 0.05},
    )


IMAGE = "<img src=x onerror=alert(1)>"
SCRIPT = "</script><script>alert(2)</script>"
ODD = "a&amp;b %{x} <b>bold</b> \u2028 $x$ ${1} 100%"


@pytest.fixture(scope="session")
def hostile(build: Callable[..., RunFolder]) -> RunFolder:
    """Every name, reason and traceback would be markup if a page let it."""
    clean = ("clean_pairs",)
    return build(
        defenses={"none": (), IMAGE: clean, ODD: clean, SCRIPT: ()},
        attacks=(IMAGE, SCRIPT),
        models=(f"model {IMAGE}",),
        datasets=(SCRIPT,),
        seeds=(0,),
        images=60,
        points=3,
        holes={(IMAGE, ODD, 0): "failed"},
        reason=f"it broke {SCRIPT}",
        traceback=f"Traceback\n  {IMAGE} {SCRIPT}",
    )
