"""Which way the vectors of a victim point: the defender's trigger vector against the true backdoor."""

from __future__ import annotations

from typing import Any

from benchmark.analysis.neighbours import Neighbours
from benchmark.analysis.vectors import compared, vision_part
from benchmark.arithmetic import difference
from benchmark.sketches import WIDTH, packed, sketch

SKETCHED = ("trigger", "backdoor")
"""Vectors that are kept as sketches of their vision part, to be compared with those of other attacks and seeds."""


def angles(near: Neighbours) -> dict[str, Any]:
    """Norms and cosines of these vectors, and sketches of two of them:

    ``trigger`` is what the negation subtracts at strength 1; ``backdoor`` is victim - benign victim; ``poisoning`` is
    victim - clean model; ``clean_task`` is benign victim - clean model; ``trigger_task`` is the clean model after
    learning the trigger alone - clean model; ``finetuning`` is the victim after the defender's fine-tuning - victim.
    """
    vectors = {
        "trigger": near.trigger_vector(),
        "backdoor": difference(near.victim, near.benign),
        "poisoning": difference(near.victim, near.clean),
        "clean_task": difference(near.benign, near.clean),
        "trigger_task": difference(near.triggered(), near.clean),
        "finetuning": difference(near.finetuned(), near.victim),
    }
    kept = {}
    for name in SKETCHED:
        arrays = {key: value.cpu().numpy() for key, value in vision_part(vectors[name]).items()}
        kept[name] = packed(sketch(arrays))
    return {**compared(vectors), "sketches": kept, "sketch_width": WIDTH}
