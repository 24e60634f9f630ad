"""The tables of a matrix file: plugins in use, sizes, how victims are poisoned, how models are pretrained, analyses."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Use(Section):
    """A plugin in a matrix: a bare name, or a table with parameters and a label that tells two settings apart."""

    plugin: str
    label: str = ""
    parameters: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"plugin": value} if isinstance(value, str) else value

    @property
    def name(self) -> str:
        return self.label or self.plugin


Dimension = Literal["model", "dataset", "attack", "source", "defense", "victim"]


class Limit(Section):
    """Leaves cells out of the product: those that match ``when`` stay only where they match ``only`` as well.

    Attributes:
        when: dimension -> one value or several; a cell matches if it has one of them in every dimension named.
        only: the same; of the cells that match ``when``, those that do not match this are left out.
    """

    when: dict[Dimension, tuple[str, ...]] = Field(min_length=1)
    only: dict[Dimension, tuple[str, ...]] = Field(min_length=1)

    @field_validator("when", "only", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {key: (found,) if isinstance(found, str) else found for key, found in value.items()}

    def admits(self, cell: Mapping[str, Any]) -> bool:
        """Whether a cell, given by its dimensions, stays in the matrix."""

        def matches(rule: Mapping[Dimension, tuple[str, ...]]) -> bool:
            return all(cell[dimension] in values for dimension, values in rule.items())

        return not matches(self.when) or matches(self.only)


class Sizes(Section):
    """How many pairs each party gets.

    Attributes:
        victim_pairs: training pairs of the victim, poisons among them.
        clean_pairs: the defender's clean pairs, disjoint from the victim's.
        triggered_pairs: images of the forget set, stamped from the defender's own.
        validation: labelled images that pick points.
        test: labelled images that are only measured on.
        general: test images of every other data set; None takes all.
        retrieval: test images of every captioned data set on which retrieval is measured; None takes all.
        detection_pairs: training pairs that a detector of pairs scores, drawn by the victim's seed.
    """

    victim_pairs: int = Field(8_000, ge=2)
    clean_pairs: int = Field(2_000, ge=2)
    triggered_pairs: int = Field(500, ge=2)
    validation: int = Field(1_000, ge=2)
    test: int | None = Field(2_000, ge=2)
    general: int | None = Field(500, ge=2)
    retrieval: int | None = Field(1_000, ge=2)
    detection_pairs: int = Field(2_048, ge=8)

    @model_validator(mode="after")
    def _forget_set_fits(self) -> Sizes:
        if self.triggered_pairs > self.clean_pairs:
            raise ValueError(f"{self.triggered_pairs} triggered_pairs are stamped from {self.clean_pairs} clean_pairs")
        return self


class Protocol(Section):
    """How victims are poisoned and trained; None takes the value of the model's recipe.

    Attributes:
        kind: "contrastive" trains both towers on images and captions; "classification" trains the vision tower alone on
            images and labels, with cross-entropy against the clean model's frozen zero-shot head (arXiv 2212.04089).
            Defenses that leave the loss to the training loop are trained in the same way.
        ladder: ascending learning rates, which go before ``learning_rate``; the victim is the first that passes the
            acceptance gate on validation data, and the last one where none does.
    """

    kind: Literal["contrastive", "classification"] = "contrastive"
    learning_rate: float | None = Field(None, gt=0)
    epochs: int | None = Field(None, ge=1)
    batch_size: int | None = Field(None, ge=2)
    ladder: tuple[float, ...] = ()

    @field_validator("ladder")
    @classmethod
    def _ascends(cls, ladder: tuple[float, ...]) -> tuple[float, ...]:
        if any(rate <= 0 for rate in ladder) or any(before >= after for before, after in pairwise(ladder)):
            raise ValueError("a ladder of learning rates starts above 0 and ascends")
        return ladder

    @property
    def changes(self) -> dict[str, Any]:
        """What it sets of a recipe. On a ladder the rate is that of the last rung, for what no gate judges."""
        rate = self.ladder[-1] if self.ladder else self.learning_rate
        return {"learning_rate": rate, "epochs": self.epochs, "batch_size": self.batch_size}


def _ordered(limits: tuple[float, float]) -> tuple[float, float]:
    if not 0 <= limits[0] <= limits[1] <= 1:
        raise ValueError("write [lowest, highest], both in [0, 1]")
    return limits


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]


class Expected(Section):
    """Where an imported victim must lie on validation data, [lowest, highest] each; None allows everything."""

    clean_accuracy: Range | None = None
    attack_success_rate: Range | None = None


class Imported(Section):
    """A victim that was trained elsewhere and takes the place of the one that the matrix would train.

    Attributes:
        checkpoint: its file, relative to the matrix file.
        attack: label of the attack that it was poisoned with.
        model: the clean model that it descends from; empty for the only one.
        dataset: label of the data set that it is measured on; empty for the only one.
        seed: the matrix's seed that it stands for; None for the first.
        expected: refused where it measures outside of these ranges.
    """

    checkpoint: str
    attack: str
    model: str = ""
    dataset: str = ""
    seed: int | None = None
    expected: Expected = Expected()


class Pretraining(Section):
    """How embedded models are pretrained; None takes the value of the model's recipe.

    Attributes:
        pairs: pairs per data set; 0 takes all of its training split.
        repeats: how often a data set is repeated within an epoch, 1 for those not named.
    """

    pairs: dict[str, Annotated[int, Field(ge=0)]] = Field(
        default_factory=lambda: {"shapes": 20_000, "digits": 0}, min_length=1
    )
    repeats: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    epochs: int | None = Field(None, ge=1)
    shift: int | None = Field(None, ge=0)
    flip: bool | None = None


class Analysis(Section):
    """What is analysed of every poisoned victim (stage 5), beside the cells.

    Attributes:
        enabled: whether anything is.
        grid: points per axis of the grids of disentanglement, an odd number, so that 0 is one of them; 0 leaves the
            grids out.
        extent: the grids reach from -extent to extent.
        images: test images per point of a grid, clean and triggered ones each.
        budgets: numbers of triggered pairs and of clean pairs that negation and fine-tuning are compared at; none
            leaves the comparison out.
        thumbnails: images per attack kept for its row of the contact sheet; 0 leaves them out.
        negation: label or plugin of the defense whose points are victim - strength * vector; that is the defender's
            trigger vector.
        finetune: label or plugin of the defense that fine-tunes on clean pairs.
    """

    enabled: bool = False
    grid: int = Field(9, ge=0)
    extent: float = Field(2.0, gt=0)
    images: int = Field(200, ge=2)
    budgets: tuple[int, ...] = (8, 32, 125, 500)
    thumbnails: int = Field(2, ge=0)
    negation: str = "task_vector"
    finetune: str = "finetune"

    @field_validator("grid")
    @classmethod
    def _has_a_middle(cls, grid: int) -> int:
        if grid and (grid < 3 or grid % 2 == 0):
            raise ValueError("a grid needs an odd number of points, at least 3, so that 0 is one of them")
        return grid

    @field_validator("budgets")
    @classmethod
    def _increase(cls, budgets: tuple[int, ...]) -> tuple[int, ...]:
        if list(budgets) != sorted(set(budgets)) or min(budgets, default=2) < 2:
            raise ValueError("budgets must increase, from 2 pairs on")
        return budgets
