"""``clipdefense pretrain``: stage 1 of a matrix by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmark.artifacts import Artifacts
from benchmark.evaluation import accuracy
from benchmark.matrix import load_matrix
from benchmark.planning import make_jobs
from benchmark.progress import Progress
from benchmark.registry import Registry
from benchmark.runner import choose_device
from benchmark.stages.materials import Materials
from benchmark.store import Store


def pretrain_model(
    model: str, matrix: str, data: Mapping[str, Mapping[str, Any]], store: Store, device: str, progress: Progress
) -> str:
    """Makes the clean model as the matrix's cells will find it; says its zero-shot accuracy on validation data."""
    changed = load_matrix(matrix).model_copy(update={"models": (model,)})
    job = make_jobs(changed, Registry(), data)[0]
    materials = Materials(progress)
    clean = Artifacts(store, materials, choose_device(device), progress).pretrained(job)
    validation = materials.pairs(job.dataset, "validation", changed.sizes.validation, clean.image_size)
    rate = accuracy(clean, validation, job.dataset.templates, changed.precision)
    return f"{model}: clean accuracy {rate:.3f} on {len(validation)} validation images of {job.cell.dataset}"
