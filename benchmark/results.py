"""A Result: what is known of one cell, as one JSON file, with per-image outcomes beside it.

Nothing here imports torch, so that reports and status stay light.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = 1

Status = Literal["ok", "skipped", "failed"]
VictimKind = Literal["poisoned", "benign", "clean"]

BITS = ("clean_right", "success", "robust_right")
"""The three outcomes kept per image, in this order."""


class Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")


class CellId(Record):
    """The dimensions of a cell. ``source`` is "none" for a defense that needs no trigger."""

    model: str
    dataset: str
    attack: str
    source: str
    defense: str
    seed: int
    victim: VictimKind

    @property
    def text(self) -> str:
        kind = "" if self.victim == "poisoned" else f" [{self.victim}]"
        source = "" if self.source == "none" else f" <{self.source}>"
        return f"{self.model} / {self.dataset} / {self.attack}{kind} / {self.defense}{source} / seed {self.seed}"


class Measured(Record):
    """All metrics of one model on one split; definitions in ``benchmark.metrics``."""

    clean_accuracy: float
    attack_success_rate: float
    attack_success_rate_all: float
    attack_success_rate_net: float
    robust_accuracy: float
    target_recall: float
    trigger_shift: float
    route_success: tuple[float, ...] = ()


class PointRecord(Record):
    """One point of the curve. ``seconds`` is the defense's own time up to this point, measuring excluded."""

    strength: float
    seconds: float
    validation: Measured
    test: Measured
    general_accuracy: float | None = None
    defense_effectiveness: float
    retained_accuracy: float
    retained_accuracy_corrected: float
    retrieval: tuple[Recall, ...] = ()


class Cost(Record):
    """What the defense used: wall seconds, peak resident (or device) memory, and what it trained."""

    seconds: float = 0.0
    device_seconds: float = 0.0
    peak_memory_bytes: int = 0
    clean_pairs: int = 0
    triggered_pairs: int = 0
    optimiser_steps: int = 0
    pairs_seen: int = 0
    trainable_parameters: int = 0


class Gate(Record):
    """The acceptance gate of a victim, on validation data; ``accepted`` victims are ranked."""

    accepted: bool
    reason: str = ""
    attack_success_rate: float
    attack_success_rate_of_clean_model: float
    clean_accuracy: float
    clean_accuracy_of_clean_model: float


class Rung(Record):
    """One learning rate of a ladder: what the gate said of the victim trained at it."""

    learning_rate: float
    gate: Gate


class Recall(Record):
    """Retrieval on one captioned data set, R@k in [0, 1] at k = 1, 5 and 10.

    Attributes:
        images: how many images there are.
        texts: how many different texts there are.
        image_to_text: share of images with a text of theirs among the k nearest texts.
        text_to_image: share of texts with an image of theirs among the k nearest images.
    """

    dataset: str
    images: int
    texts: int
    image_to_text: tuple[float, float, float]
    text_to_image: tuple[float, float, float]

    @property
    def mean(self) -> tuple[float, ...]:
        """The mean of both directions at every k."""
        return tuple((one + other) / 2 for one, other in zip(self.image_to_text, self.text_to_image, strict=True))


class Counts(Record):
    """The n behind every rate: all images, and those whose class is not the target."""

    validation: int
    validation_other: int
    test: int
    test_other: int
    general: int = 0


class Picks(Record):
    """Indices into ``points`` at the matrix's budget; -1 is the victim itself."""

    budget: float
    blind: int
    oracle: int


class Provenance(Record):
    """Where, when and with what a result was computed."""

    utc: str
    device: str
    git_commit: str | None
    packages: dict[str, str]
    keys: dict[str, str]
    plugins: dict[str, str]
    seeds: dict[str, int]
    stage_seconds: dict[str, float]


class Result(Record):
    """One cell. ``points`` and what belongs to them are empty unless ``status`` is "ok".

    Attributes:
        schema_version: of this file's layout.
        metric_version: of the definitions in ``benchmark.metrics``.
        key: the measured stage's key; the file's name.
        cell: the dimensions.
        status: "ok", "skipped" (with a reason) or "failed" (with a reason and a traceback).
        knowledge: what the defense needs to know, sorted.
        resolved: hyperparameters of the model, attack, defense, data and protocol as they were used.
        clean: the clean model on the test split under the same trigger.
        victim: the victim before the defense, on both splits.
        rebound: highest test success during a short clean fine-tuning of the blind pick; None where not asked for.
        clean_retrieval: of the clean model, where the matrix asks for retrieval; ``victim_retrieval`` of the victim.
        ladder: the learning rates at which the victim was tried, the last being its own; empty without a ladder.
    """

    schema_version: int = SCHEMA_VERSION
    metric_version: int
    key: str
    cell: CellId
    status: Status
    reason: str = ""
    traceback: str = ""
    knowledge: tuple[str, ...] = ()
    resolved: dict[str, Any] = Field(default_factory=dict)
    classes: int = 0
    counts: Counts | None = None
    clean: Measured | None = None
    victim: Measured | None = None
    victim_validation: Measured | None = None
    victim_general_accuracy: float | None = None
    gate: Gate | None = None
    clean_retrieval: tuple[Recall, ...] = ()
    victim_retrieval: tuple[Recall, ...] = ()
    ladder: tuple[Rung, ...] = ()
    points: tuple[PointRecord, ...] = ()
    picks: Picks | None = None
    rebound: float | None = None
    cost: Cost = Cost()
    provenance: Provenance | None = None


class Outcomes:
    """Per-image outcomes: for the victim (row 0) and every point after it, three bits per image.

    Attributes:
        validation: (1 + P, 3, n_validation) booleans, outcomes in the order of ``BITS``.
        test: (1 + P, 3, n_test) booleans.
        validation_other: (n_validation,) whether the image's class is not the target.
        test_other: (n_test,) the same for the test split.
    """

    def __init__(
        self,
        *,
        validation: NDArray[np.bool_],
        test: NDArray[np.bool_],
        validation_other: NDArray[np.bool_],
        test_other: NDArray[np.bool_],
    ) -> None:
        self.validation, self.test = validation, test
        self.validation_other, self.test_other = validation_other, test_other

    def packed(self) -> dict[str, NDArray[np.uint8]]:
        """Arrays of bytes, eight outcomes each, and the counts that undo the padding."""
        sizes = np.array([self.validation.shape[-1], self.test.shape[-1]], dtype=np.int64)
        names = ("validation", "test", "validation_other", "test_other")
        return {name: np.packbits(getattr(self, name), axis=-1) for name in names} | {"sizes": sizes.view(np.uint8)}

    @classmethod
    def unpacked(cls, arrays: dict[str, NDArray[np.uint8]]) -> Outcomes:
        """The outcomes again.

        Raises:
            ValueError: the counts do not fit the bytes.
            KeyError: an array is missing.
        """
        validation, test = arrays["sizes"].view(np.int64).tolist()
        size = {"validation": validation, "test": test, "validation_other": validation, "test_other": test}
        if any(arrays[name].shape[-1] != -(-count // 8) for name, count in size.items()):
            raise ValueError("the number of images does not fit the stored outcomes")
        return cls(**{n: np.unpackbits(arrays[n], axis=-1, count=size[n]).astype(np.bool_) for n in size})
