"""What a model is measured on where no trigger is known: its classes, or whether it tells captions apart.

Pairs without labels have no accuracy of their own. What stands for it is retrieval: a model is right about an image
where it finds the image's own caption first among about ``GALLERY`` captions, so that chance is 1 in ``GALLERY`` and
the number does not depend on how many pairs there are. The pick and its budget work on these answers as on any others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchmark.evaluation import Measurement, predict
from benchmark.metrics import Predictions, rates
from benchmark.models import Clip
from benchmark.stages.curve import Examined
from benchmark.types import Pairs

GALLERY = 100


@dataclass(frozen=True, kw_only=True)
class Untriggered:
    """An examination without a trigger; of its metrics only the clean accuracy means something."""

    validation: Pairs
    test: Pairs
    templates: tuple[str, ...]
    precision: str = "float32"

    def of(self, model: Clip) -> Examined:
        """Measures a model on both splits."""
        return Examined(
            validation=self._measured(model, self.validation), test=self._measured(model, self.test), general=None
        )

    def _measured(self, model: Clip, pairs: Pairs) -> Measurement:
        if pairs.labels is None:
            labels, found, classes = (
                caption_numbers(pairs.captions),
                retrieved(model, pairs, self.precision),
                len(pairs),
            )
        else:
            classifier = model.classifier(pairs.class_names, self.templates)
            labels, classes = pairs.labels, len(pairs.class_names)
            found = predict(model, classifier, pairs.images, self.precision)
        answers = found.numpy()
        predictions = Predictions(labels=labels.numpy(), clean=answers, triggered=answers, target=0, classes=classes)
        return Measurement(predictions=predictions, metrics=rates(predictions), route_success=())


def galleries(count: int) -> tuple[Tensor, ...]:
    """Rows of ``count`` pairs in consecutive galleries of about ``GALLERY`` each."""
    return torch.arange(count).tensor_split(max(1, round(count / GALLERY)))


def caption_numbers(captions: Sequence[str]) -> Tensor:
    """For every caption (n,) the first row of its gallery that holds the same one; equal captions are one answer."""
    numbers = np.arange(len(captions))
    for rows in galleries(len(captions)):
        first: dict[str, int] = {}
        for row in rows.tolist():
            numbers[row] = first.setdefault(captions[row], row)
    return torch.from_numpy(numbers)


def retrieved(model: Clip, pairs: Pairs, precision: str = "float32") -> Tensor:
    """For every image (n,) the caption of its gallery that the model finds nearest, as ``caption_numbers`` counts."""
    texts, numbers = model.encode_texts(pairs.captions), caption_numbers(pairs.captions)
    found = [
        rows[predict(model, texts[rows.to(texts.device)], pairs.images[rows], precision)]
        for rows in galleries(len(pairs))
    ]
    return numbers[torch.cat(found)]
