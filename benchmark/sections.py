"""The tables of a matrix file: plugins in use, sizes, how victims are poisoned, how models are pretrained, analyses."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


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


class Sizes(Section):
    """How many pairs each party gets.

    Attributes:
        victim_pairs: training pairs of the victim, poisons among them.
        clean_pairs: the defender's clean pairs, disjoint from the victim's.
        triggered_pairs: images of the forget set, stamped from the defender's own.
        validation: labelled images that pick points.
        test: labelled images that are only measured on.
        general: test images of every other data set; None takes all.
    """

    victim_pairs: int = Field(8_000, ge=2)
    clean_pairs: int = Field(2_000, ge=2)
    triggered_pairs: int = Field(500, ge=2)
    validation: int = Field(1_000, ge=2)
    test: int | None = Field(2_000, ge=2)
    general: int | None = Field(500, ge=2)

    @model_validator(mode="after")
    def _forget_set_fits(self) -> Sizes:
        if self.triggered_pairs > self.clean_pairs:
            raise ValueError(f"{self.triggered_pairs} triggered_pairs are stamped from {self.clean_pairs} clean_pairs")
        return self


class Protocol(Section):
    """How victims are poisoned; None takes the value of the model's recipe."""

    learning_rate: float | None = Field(None, gt=0)
    epochs: int | None = Field(None, ge=1)
    batch_size: int | None = Field(None, ge=2)


class Pretraining(Section):
    """How embedded models are pretrained; None takes the value of the model's recipe.

    Attributes:
        pairs: pairs per data set; 0 takes all of its training split.
        repeats: how often a data set is repeated within an epoch, 1 for those not named.
    """

    pairs: dict[str, int] = Field(default_factory=lambda: {"shapes": 20_000, "digits": 0})
    repeats: dict[str, int] = Field(default_factory=dict)
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
