"""Disentanglement around the clean model and around the victim."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from benchmark.analysis.disentanglement import axis, disentanglement
from benchmark.analysis.neighbours import Neighbours
from benchmark.analysis.plane import Direction, Plane
from benchmark.arithmetic import difference
from benchmark.evaluation import Probe

if TYPE_CHECKING:
    from benchmark.sections import Analysis


def around_clean_model(near: Neighbours, settings: Analysis) -> dict[str, Any]:
    """The definition: from the clean model, the task vector of clean pairs and that of the trigger alone.

    The clean task's vector leads to the benign victim, the trigger task's to the clean model after learning the trigger
    alone. BatchNorm statistics go along, so that both corners are these models.
    """
    plane = Plane(
        near.clean, Direction.between(near.benign, near.clean), Direction.between(near.triggered(), near.clean)
    )
    return _measured(plane, near, settings)


def around_backdoor(near: Neighbours, settings: Analysis) -> dict[str, Any]:
    """From the clean model, the vector of clean pairs and what poison adds to it: (1, 1) is the victim itself."""
    clean, poison = Direction.between(near.benign, near.clean), Direction.between(near.victim, near.benign)
    return _measured(Plane(near.clean, clean, poison), near, settings)


def around_victim(near: Neighbours, settings: Analysis) -> dict[str, Any]:
    """What a defender can span: from the victim, its fine-tuning on clean pairs and its trigger vector.

    Points (0, -alpha) are those of the negation, BatchNorm statistics are the victim's everywhere.
    """
    clean = Direction(difference(near.finetuned(), near.victim))
    found = _measured(Plane(near.victim, clean, Direction(near.trigger_vector())), near, settings)
    return {**found, "negation": near.negation.cell.defense, "finetune": near.finetune.cell.defense}


def _measured(plane: Plane, near: Neighbours, settings: Analysis) -> dict[str, Any]:
    job, materials = near.job, near.laboratory.materials
    test = materials.pairs(job.dataset, "test", job.matrix.sizes.test, near.clean.image_size)
    test = test.take(torch.arange(min(settings.images, len(test))))
    probe = Probe.of(near.laboratory.artifacts.attack(job), test, job.dataset.templates, near.clean.image_size)
    found = disentanglement(plane, probe, axis(settings.grid, settings.extent), job.matrix.precision)
    parameters = list(near.clean.module.named_parameters())
    return {
        **found,
        "split": "test",
        "parameters": sum(p.numel() for _, p in parameters),
        "vision_parameters": sum(p.numel() for name, p in parameters if name.startswith("visual.")),
    }
