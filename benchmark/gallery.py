"""What every attack's trigger looks like: clean and triggered images as arrays, and how far apart they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.artifacts import Artifacts
from benchmark.jobs import Job
from benchmark.matrix import Matrix, load_matrix
from benchmark.planning import make_jobs
from benchmark.poisoning import routes_of, stamp
from benchmark.progress import Progress
from benchmark.registry import Registry
from benchmark.runner import choose_device
from benchmark.sections import Use
from benchmark.stages.materials import Materials
from benchmark.store import Store
from benchmark.types import Attack, Pairs, Prompted

MEASURED = 64
"""Images over which the distance is taken."""


@dataclass(frozen=True, kw_only=True)
class Stamped:
    """One trigger on one image.

    Attributes:
        name: the attack, with the route where it has several.
        settings: parameters that are not the plugin's defaults, and a word that the trigger adds to texts.
        clean: (H, W, 3) uint8.
        triggered: (H, W, 3) uint8, as a model sees it.
        psnr: peak signal-to-noise ratio in dB over several images; infinite where the trigger changes none.
    """

    name: str
    settings: str
    clean: NDArray[np.uint8]
    triggered: NDArray[np.uint8]
    psnr: float


def gallery(
    matrix: str, model: str, dataset: str, registry: Registry, store: Store, device: str, progress: Progress
) -> list[Stamped]:
    """Every registered attack on an image of the validation split, with the matrix's parameters where it sets some.

    Attacks that optimise their trigger use the store's clean model of the matrix; where there is none, it is trained.

    Args:
        matrix: name or file.
        model: gives the image size, and is what triggers are optimised on.
        dataset: name of a data set; empty takes the matrix's first.
        registry: where attacks come from.
        store: of trained artifacts.
        device: "auto", "cpu" or a GPU.
        progress: is told what takes long.

    Raises:
        UserError: there is no such matrix, model or data set.
    """
    changed = _everything(load_matrix(matrix), model, dataset, registry)
    jobs = {job.cell.attack: job for job in make_jobs(changed, registry)}
    materials = Materials()
    artifacts = Artifacts(store, materials, choose_device(device), progress)
    return [found for job in jobs.values() for found in _of_attack(job, artifacts, materials)]


def _everything(matrix: Matrix, model: str, dataset: str, registry: Registry) -> Matrix:
    """The matrix with every registered attack, one model and data set, and no defense."""
    present = {use.plugin for use in matrix.attacks}
    attacks = matrix.attacks + tuple(Use(plugin=name) for name in registry.entries("attack") if name not in present)
    first = next((use for use in matrix.datasets if use.name == dataset), None)
    data = first or (Use(plugin=dataset) if dataset else matrix.datasets[0])
    targets = matrix.targets
    if data.name not in targets:
        targets = {**targets, data.name: registry.build("dataset", data.plugin, data.parameters).class_names[0]}
    changes = {"models": (model,), "datasets": (data,), "attacks": attacks, "targets": targets}
    return matrix.model_copy(update={**changes, "defenses": (Use(plugin="none"),), "limits": (), "general": ()})


def _of_attack(job: Job, artifacts: Artifacts, materials: Materials) -> Iterator[Stamped]:
    size = artifacts.pretrained(job).image_size
    attack = artifacts.attack(job)
    pairs = materials.pairs(job.dataset, "validation", MEASURED, size)
    routes, settings = routes_of(attack), _settings(job, attack)
    for number, route in enumerate(routes, start=1):
        name = job.cell.attack if len(routes) == 1 else f"{job.cell.attack} {number}"
        yield _stamped(name, settings if number == 1 else "", route, pairs)


def _settings(job: Job, attack: Attack) -> str:
    use = next(use for use in job.matrix.attacks if use.name == job.cell.attack)
    parts = [f"{name} {value}" for name, value in use.parameters.items()]
    if isinstance(attack, Prompted):
        parts += [f'text: "{attack.prompt(["..."])[0]}"']
    return ", ".join(parts)


def _stamped(name: str, settings: str, route: Attack, pairs: Pairs) -> Stamped:
    images = pairs.images[torch.arange(len(pairs))]
    marked = stamp(route, images, pairs.ids)
    error = (marked.double() - images.double()).square().flatten(1).mean(dim=1).div(255**2)
    shown = _shown(pairs, route.target)
    return Stamped(
        name=name,
        settings=settings,
        clean=_picture(images[shown]),
        triggered=_picture(marked[shown]),
        psnr=float(-10 * error.mean().log10()),
    )


def _shown(pairs: Pairs, target: str) -> int:
    """The first image of another class than the target's."""
    assert pairs.labels is not None
    return int((pairs.labels != pairs.class_names.index(target)).nonzero()[0])


def _picture(image: Tensor) -> NDArray[np.uint8]:
    found: NDArray[np.uint8] = image.permute(1, 2, 0).numpy()
    return found
