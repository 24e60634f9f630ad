"""A finding: what a study measured of a victim beside the cells, as one JSON file.

Analyses of weights and the scores of detectors are studies. Nothing here imports torch.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from benchmark.results import Provenance, Record, Status, VictimKind

FINDING_VERSION = 1

StudyKind = Literal["analysis", "detection"]


class StudyId(Record):
    """The dimensions of a study: what is measured (``name``) of which victim."""

    kind: StudyKind
    name: str
    model: str
    dataset: str
    attack: str
    seed: int
    victim: VictimKind = "poisoned"

    @property
    def text(self) -> str:
        kind = "" if self.victim == "poisoned" else f" [{self.victim}]"
        return f"{self.model} / {self.dataset} / {self.attack}{kind} / {self.kind} {self.name} / seed {self.seed}"


class Finding(Record):
    """One study's outcome.

    Attributes:
        schema_version: of this file's layout.
        key: the study's key; the file's name.
        study: the dimensions.
        status: "ok", "skipped" (with a reason) or "failed" (with a reason and a traceback).
        values: what was measured; its layout belongs to the study's kind and name.
        resolved: hyperparameters as they were used.
        seconds: of computing it, the victim's training excluded.
    """

    schema_version: int = FINDING_VERSION
    key: str
    study: StudyId
    status: Status
    reason: str = ""
    traceback: str = ""
    values: dict[str, Any] = Field(default_factory=dict)
    resolved: dict[str, Any] = Field(default_factory=dict)
    provenance: Provenance | None = None
    seconds: float = 0.0
