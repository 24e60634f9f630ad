"""What a data set can be asked beyond its pairs: its classes without a network, all texts of an image."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

from benchmark.data.base import Dataset


def known_classes(dataset: Dataset) -> tuple[str, ...]:
    """The class names, or nothing where only data that are not on this machine can tell them."""
    names = getattr(dataset, "known_classes", None)
    return dataset.class_names if names is None else tuple(names)


def with_every_caption(dataset: Dataset) -> Dataset:
    """The same data set giving all texts of an image, one a line, where it has several and can tell them."""
    plugin: Any = dataset
    if is_dataclass(plugin) and "every_caption" in {field.name for field in fields(plugin)}:
        plugin = replace(plugin, every_caption=True)  # type: ignore[type-var]
    return plugin  # type: ignore[no-any-return]
