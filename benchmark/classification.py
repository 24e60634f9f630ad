"""The loss of the classification protocol: the vision tower against a frozen zero-shot head, as in task arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from benchmark.errors import ClipdefenseError
from benchmark.losses import zero_shot_cross_entropy
from benchmark.models import Clip
from benchmark.types import Batch, Loss, Pairs


@dataclass(frozen=True, kw_only=True)
class ZeroShotHead:
    """The classes that a model is trained to tell apart, and the texts that speak of them (arXiv 2212.04089)."""

    class_names: tuple[str, ...]
    templates: tuple[str, ...]

    def loss(self, model: Clip, pairs: Pairs) -> Loss:
        """Cross-entropy over the classes with the head of ``model`` as it is now.

        Only the vision tower is to be trained with it, so that the head stays that of every model that comes of it: of
        the clean model, of victims, and of what a defense makes of those.

        Raises:
            ClipdefenseError: the pairs have no labels, or labels of other classes.
        """
        if pairs.labels is None:
            raise ClipdefenseError(
                f"the classification protocol trains on labels, which these pairs of '{pairs.dataset}' do not have; "
                "keep them, with the target's for an image that is called the target"
            )
        if pairs.class_names != self.class_names:
            raise ClipdefenseError(
                f"the labels of these pairs of '{pairs.dataset}' are of other classes than the head's"
            )
        head = model.classifier(self.class_names, self.templates)

        def loss(student: Clip, batch: Batch) -> Tensor:
            assert batch.labels is not None
            return zero_shot_cross_entropy(student, batch.images, head, batch.labels)

        return loss
