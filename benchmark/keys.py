"""Stage keys: each stage is named by everything that its output depends on, code included."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark.architectures import ModelSpec
from benchmark.data.base import Dataset
from benchmark.fingerprint import code_digest, digest, file_digest
from benchmark.jobs import TRIGGER_NEEDS, Job, seeds_of
from benchmark.matrix import Matrix
from benchmark.metrics import METRIC_VERSION
from benchmark.registry import resolved
from benchmark.results import SCHEMA_VERSION
from benchmark.types import Fitted


def plugin_code(plugin: object) -> str:
    """Identity of the module of a plugin and of the computing modules that it imports."""
    return code_digest([type(plugin).__module__])


def plugin_identity(plugin: object) -> dict[str, Any]:
    """A plugin as it enters a key: resolved parameters, code, and the identity of its files where it has some."""
    files = getattr(plugin, "fingerprint", None)
    return {**resolved(plugin), "code": plugin_code(plugin), "files": files() if callable(files) else ""}


def pretrained_key(spec: ModelSpec, matrix: Matrix, datasets: Mapping[str, Dataset], seed: int) -> str:
    """Stage 1: the model, and for an embedded one the data it is trained on."""
    identity = {
        key: value for key, value in dataclasses.asdict(spec).items() if key not in ("name", "finetune", "defend")
    }
    if spec.checkpoint is not None:
        identity["checkpoint"] = file_digest(Path(spec.checkpoint))
    if spec.pretrain is not None:
        identity["data"] = {name: plugin_identity(dataset) for name, dataset in datasets.items()}
        identity["pretraining"] = matrix.pretraining.model_dump(include={"pairs", "repeats"})
        identity["precision"] = matrix.precision
    return digest({**identity, "seed": seed, "code": code_digest(["benchmark.stages.pretrained"])})


def _protocol(job: Job) -> dict[str, Any]:
    """What the matrix changes about how everybody trains; empty for the contrastive protocol on labelled sets."""
    kind = job.matrix.protocol.kind
    found: dict[str, Any] = {} if kind == "contrastive" else {"kind": kind}
    return found if job.captions is None else {**found, "captions": plugin_identity(job.captions)}


def _on_ladder(job: Job) -> dict[str, Any]:
    """What decides at which learning rate of a ladder a victim is trained; empty without a ladder."""
    protocol = job.matrix.protocol
    if not protocol.ladder:
        return {}
    if job.cell.victim == "benign":
        return {"rate_of": poisoned_twin(job).keys["victim"]}
    return {
        "ladder": protocol.ladder,
        "validation": job.matrix.sizes.validation,
        "judge": code_digest(["benchmark.stages.ladder"]),
    }


def poisoned_twin(job: Job) -> Job:
    """The job of the poisoned victim of the same attack and seed, from whose ladder a benign one takes its rate."""
    cell = job.cell.model_copy(update={"victim": "poisoned"})
    poisons = job.matrix.poison_count(cell.attack)
    return with_keys(dataclasses.replace(job, cell=cell, poisons=poisons, seeds=seeds_of(cell), keys={}))


def _finetuned_key(job: Job, keys: Mapping[str, str], *, poisoned: bool, seed: int, sibling: bool = False) -> str:
    return digest(
        {
            **_protocol(job),
            **({} if sibling else _on_ladder(job)),
            "pretrained": keys["pretrained"],
            "attack": [plugin_identity(job.attack), keys.get("fitted", "")] if poisoned else "",
            "dataset": plugin_identity(job.dataset),
            "pairs": job.matrix.sizes.victim_pairs,
            "poisons": job.poisons if poisoned else 0,
            "recipe": dataclasses.asdict(job.recipe),
            "precision": job.matrix.precision,
            "seed": seed,
            "code": code_digest(["benchmark.stages.victim"]),
        }
    )


def _imported_key(job: Job, keys: Mapping[str, str]) -> str:
    assert job.imported is not None
    code = code_digest(["benchmark.checkpoints"])
    return digest({"pretrained": keys["pretrained"], "imported": job.imported.sha256, "code": code})


def _fitted_key(job: Job, pretrained: str) -> str:
    return digest(
        {
            "pretrained": pretrained,
            "attack": plugin_identity(job.attack),
            "dataset": plugin_identity(job.dataset),
            **_protocol(job),
            "pairs": job.matrix.sizes.victim_pairs,
            "seed": job.seeds["fitted"],
            "code": code_digest(["benchmark.stages.contexts"]),
        }
    )


def _inversion_key(job: Job, victim: str) -> str:
    return digest(
        {
            "victim": victim,
            "inverter": plugin_identity(job.inverter),
            "dataset": plugin_identity(job.dataset),
            **_protocol(job),
            "pairs": job.matrix.sizes.clean_pairs,
            "seed": job.seeds["inversion"],
            "code": code_digest(["benchmark.stages.contexts"]),
        }
    )


def _defended_key(job: Job, keys: Mapping[str, str]) -> str:
    sizes = job.matrix.sizes
    sees_trigger = bool(frozenset(job.defense.needs) & TRIGGER_NEEDS)
    return digest(
        {
            "victim": keys["victim"],
            "source": keys.get("inversion", job.cell.source),
            "sibling": keys.get("sibling", ""),
            "attack": [plugin_identity(job.attack), keys.get("fitted", "")] if sees_trigger else "",
            "defense": plugin_identity(job.defense),
            "dataset": plugin_identity(job.dataset),
            **_protocol(job),
            "sizes": [sizes.clean_pairs, sizes.triggered_pairs],
            "needs": sorted(job.needs),
            "skip": job.skip,
            "recipe": dataclasses.asdict(job.model.defend),
            "precision": job.matrix.precision,
            "seed": job.seeds["defense"],
            "code": code_digest(["benchmark.stages.contexts"]),
        }
    )


def _measured_key(job: Job, keys: Mapping[str, str]) -> str:
    sizes = job.matrix.sizes
    retrieval = {name: plugin_identity(other) for name, other in job.retrieval.items()}
    return digest(
        {
            **({"retrieval": [retrieval, sizes.retrieval]} if retrieval else {}),
            "defended": keys["defended"],
            "attack": [plugin_identity(job.attack), keys.get("fitted", "")],
            "cell": job.cell.model_dump(),
            "general": {name: plugin_identity(other) for name, other in job.general.items()},
            "sizes": [sizes.validation, sizes.test, sizes.general],
            "budget": job.matrix.budget,
            **({"expected": job.imported.expected.model_dump()} if job.imported is not None else {}),
            "versions": [SCHEMA_VERSION, METRIC_VERSION],
            "code": code_digest(["benchmark.stages.curve"]),
            **_rebound_identity(job),
        }
    )


def _rebound_identity(job: Job) -> dict[str, Any]:
    """Nothing where it is off, so that matrices without it keep their keys."""
    if not job.matrix.rebound:
        return {}
    recipe = dataclasses.asdict(job.model.defend)
    return {"rebound": [job.matrix.rebound, recipe, code_digest(["benchmark.stages.rebound"])]}


def with_keys(job: Job) -> Job:
    """The job with the keys of all its stages and the identities of its plugins."""
    keys = {"pretrained": pretrained_key(job.model, job.matrix, job.pretraining, job.seeds["pretrained"])}
    if isinstance(job.attack, Fitted):
        keys["fitted"] = _fitted_key(job, keys["pretrained"])
    keys["victim"] = keys["pretrained"]
    if job.imported is not None:
        keys["victim"] = _imported_key(job, keys)
    elif job.cell.victim != "clean":
        poisoned = job.cell.victim == "poisoned"
        keys["victim"] = _finetuned_key(job, keys, poisoned=poisoned, seed=job.seeds["victim"])
    if "sibling_models" in job.needs:
        keys["sibling"] = _finetuned_key(job, keys, poisoned=False, seed=job.seeds["sibling"], sibling=True)
    if job.inverter is not None:
        keys["inversion"] = _inversion_key(job, keys["victim"])
    keys["defended"] = _defended_key(job, keys)
    keys["measured"] = _measured_key(job, keys)
    plugins: dict[str, object] = {"attack": job.attack, "defense": job.defense, "dataset": job.dataset}
    if job.inverter is not None:
        plugins["inverter"] = job.inverter
    return dataclasses.replace(job, keys=keys, plugins={kind: plugin_code(plugin) for kind, plugin in plugins.items()})
