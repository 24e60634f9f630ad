"""The learning-rate ladder of a victim: the slowest training that the acceptance gate lets pass on validation data."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmark.evaluation import Probe, measure
from benchmark.gate import judge
from benchmark.models import Clip
from benchmark.results import Rung

_FILE = "ladder.json"


def save_rungs(rungs: Sequence[Rung], folder: Path) -> None:
    """Writes what was seen on a ladder beside the victim; nothing where there was none."""
    if rungs:
        text = json.dumps([rung.model_dump() for rung in rungs])
        (folder / _FILE).write_text(text, encoding="utf-8")


def load_rungs(folder: Path) -> tuple[Rung, ...]:
    """What was seen on the ladder of the victim in a folder of the store."""
    return tuple(Rung.model_validate(rung) for rung in json.loads((folder / _FILE).read_text(encoding="utf-8")))


def first_accepted(
    rates: Sequence[float], train_at: Callable[[float], Clip], clean: Clip, validation: Probe, precision: str
) -> tuple[Clip, tuple[Rung, ...]]:
    """The victim at the first learning rate whose victim is accepted, or at the last one where none is.

    Args:
        rates: learning rates, ascending; at least one.
        train_at: makes the victim at a learning rate.
        clean: the model that the victims start from.
        validation: the validation images under the attack's trigger; test images play no part.
        precision: of measuring.

    Returns:
        The victim and what was seen at every rate that was tried; the last one is the victim's own.
    """
    before = measure(clean, validation, precision).metrics
    rungs: list[Rung] = []
    for rate in rates:
        victim = train_at(rate)
        gate = judge(measure(victim, validation, precision).metrics, before)
        rungs.append(Rung(learning_rate=rate, gate=gate))
        if gate.accepted:
            break
    return victim, tuple(rungs)
