"""The types a plugin author reads: attacks, defenses, what they are given and what they return.

A plugin is a frozen, keyword-only dataclass whose fields are scalars with defaults: hyperparameters live in the
constructor, data arrives in the call. It needs no import from this package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, get_args, runtime_checkable

from benchmark.errors import ResourceNotDeclared

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from benchmark.models import Clip

Need = Literal[
    "clean_pairs",
    "clean_images",
    "labels",
    "target",
    "trigger",
    "triggered_pairs",
    "reference_model",
    "sibling_models",
    "training_pairs",
]
NEEDS: frozenset[str] = frozenset(get_args(Need))


class ImageSource(Protocol):
    """N images as 8-bit pixels, in memory or mapped from disk. A uint8 tensor (N, 3, H, W) is one."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Tensor, /) -> Tensor:
        """Rows (B,) int64 -> images (B, 3, H, W) uint8; may be asked for from two threads at once."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Images with captions and, where known, labels; all sequences have one entry per image."""

    images: ImageSource
    captions: tuple[str, ...]
    labels: Tensor | None
    class_names: tuple[str, ...]
    ids: Tensor
    dataset: str
    split: str

    def __len__(self) -> int:
        return len(self.captions)

    def take(self, rows: Tensor) -> Pairs:
        """The pairs at ``rows`` (B,) int64, in that order; their images are read into memory."""
        return replace(
            self,
            images=self.images[rows],
            captions=tuple(self.captions[row] for row in rows.tolist()),
            labels=None if self.labels is None else self.labels[rows],
            ids=self.ids[rows],
        )

    def without_labels(self) -> Pairs:
        return replace(self, labels=None)


class Point(NamedTuple):
    """One place on a defense's trade-off curve. Strengths increase strictly; larger is stronger."""

    strength: float
    model: Clip


class Batch(NamedTuple):
    """What a loss sees: images (B, 3, H, W) float in [0, 1], tokens (B, L) int64, labels (B,) int64 or None.

    ``rows`` (B,) int64 are the positions in the trained pairs, so that a loss can look up what belongs to them.
    """

    images: Tensor
    tokens: Tensor
    labels: Tensor | None
    ids: Tensor
    rows: Tensor


Loss = Callable[["Clip", Batch], "Tensor"]


class Train(Protocol):
    """The one training loop, already bound to the model's recipe, the cell's seed and its meter."""

    def __call__(
        self,
        model: Clip,
        pairs: Pairs,
        *,
        loss: Loss | None = None,
        epochs: int | None = None,
        learning_rate: float | None = None,
        batch_size: int | None = None,
        weight_decay: float | None = None,
        warmup_steps: int | None = None,
        parts: Literal["both", "vision", "text"] = "both",
    ) -> Iterator[Clip]:
        """Train a copy of ``model``; yields an independent snapshot after every epoch.

        ``None`` takes the value of the model's recipe. The default loss is the contrastive CLIP loss.
        """


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a defense may know: public names, a seed, the training loop, and the resources granted to it alone."""

    class_names: tuple[str, ...]
    templates: tuple[str, ...]
    seed: int
    device: torch.device
    train: Train
    resources: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def _granted(self, need: Need) -> Any:
        if need not in self.resources:
            raise ResourceNotDeclared(
                f"the plugin uses '{need}' without declaring it; add '{need}' to its 'needs' "
                f"(declared: {', '.join(sorted(self.resources)) or 'nothing'})"
            )
        return self.resources[need]

    @property
    def clean_pairs(self) -> Pairs:
        """Clean pairs, disjoint from the poisoned training pairs; labelled only where ``labels`` is granted too."""
        pairs: Pairs = self._granted("clean_pairs")
        return pairs if "labels" in self.resources else pairs.without_labels()

    @property
    def clean_images(self) -> ImageSource:
        """The images of the clean pairs, without captions."""
        source: ImageSource = self._granted("clean_images")
        return source

    @property
    def target(self) -> str:
        """The class that the trigger elicits, as the trigger source names it."""
        name: str = self._granted("target")
        return name

    @property
    def trigger(self) -> Attack:
        """The trigger, from the attack itself or from an inverter."""
        attack: Attack = self._granted("trigger")
        return attack

    @property
    def triggered_pairs(self) -> Pairs:
        """The forget set: images that carry the trigger, captioned with the target."""
        pairs: Pairs = self._granted("triggered_pairs")
        return pairs

    @property
    def reference_model(self) -> Clip:
        """The public clean ancestor of the suspect model."""
        model: Clip = self._granted("reference_model")
        return model

    @property
    def sibling_models(self) -> tuple[Clip, ...]:
        """Other fine-tunes of the same ancestor."""
        models: tuple[Clip, ...] = self._granted("sibling_models")
        return models

    @property
    def training_pairs(self) -> Pairs:
        """The suspect model's own training pairs, poisons included."""
        pairs: Pairs = self._granted("training_pairs")
        return pairs


@runtime_checkable
class Attack(Protocol):
    """A trigger and the class that it must elicit."""

    @property
    def target(self) -> str: ...

    def trigger(self, images: Tensor, ids: Tensor) -> Tensor:
        """Images (B, 3, H, W) float in [0, 1] and ids (B,) int64 -> the triggered images, same shape and range.

        Pure: a function of (the attack's fields, image, id) alone. Whatever is drawn at random per image comes from
        a generator seeded by its id.
        """


@runtime_checkable
class Poisoner(Protocol):
    """An attack with a rule of its own for which pairs are poisoned and how."""

    def poison(self, pairs: Pairs, count: int, seed: int) -> Pairs:
        """All training pairs, exactly ``count`` of them poisoned, the same ones for the same seed."""


@runtime_checkable
class Prompted(Protocol):
    """An attack with a trigger in the text beside the one in the image."""

    def prompt(self, texts: Sequence[str]) -> list[str]: ...


@runtime_checkable
class Routed(Protocol):
    """An attack with several triggers or targets; success is measured per route, the headline is the maximum."""

    @property
    def routes(self) -> tuple[Attack, ...]: ...


@runtime_checkable
class Fitted(Protocol):
    """An attack that optimises its trigger on the clean model before anything is poisoned."""

    def fit(self, model: Clip, context: Context) -> Attack:
        """A copy of itself whose tensor fields hold what it learnt."""


@runtime_checkable
class Objective(Protocol):
    """An attack that replaces the victim's training loss."""

    def loss(self, model: Clip, batch: Batch, context: Context) -> Tensor: ...


class Defense(Protocol):
    """From a suspect model to cleaner ones, along a strength axis."""

    needs: ClassVar[frozenset[Need]]

    def __call__(self, model: Clip, context: Context) -> Iterator[Point]:
        """Yields points (a plain ``(strength, model)`` tuple serves as well); the given model stays as it is."""


class Inverter(Protocol):
    """Estimates the trigger of a suspect model."""

    needs: ClassVar[frozenset[Need]]

    def __call__(self, model: Clip, context: Context) -> Attack: ...


class PairDetector(Protocol):
    """Scores a model's training pairs; higher is more suspicious. The three kinds differ in what ``score`` takes."""

    needs: ClassVar[frozenset[Need]]

    def score(self, model: Clip, pairs: Pairs, context: Context) -> Tensor:
        """One finite score (n,) for each of the n pairs, which may be compared with each other."""


class InputDetector(Protocol):
    """Scores images at test time; higher is more suspicious."""

    needs: ClassVar[frozenset[Need]]

    def score(self, model: Clip, images: Tensor, context: Context) -> Tensor:
        """Images (B, 3, S, S) float in [0, 1] -> one finite score (B,) each, whatever else is in the batch."""


class ModelDetector(Protocol):
    """Scores a whole model; higher is more suspicious."""

    needs: ClassVar[frozenset[Need]]

    def score(self, model: Clip, context: Context) -> float:
        """A finite number."""
