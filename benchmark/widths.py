"""Every model by name: those of ``benchmark.architectures``, and the embedded ResNet in other widths.

The widths stand apart because the code of ``benchmark.architectures`` is part of every key: adding one here leaves
the models there, and all that was computed of them, as they are.
"""

from __future__ import annotations

from dataclasses import replace

from benchmark.architectures import ModelSpec, tiny_names
from benchmark.architectures import model_spec as known_spec
from benchmark.errors import UserError, did_you_mean

BASE = "tiny-resnet"
"""Its own width is 16; the others differ in width alone, in the number of heads that follows from it, and in cost."""

WIDTHS = (4, 8, 32, 64)


def embedded_names() -> tuple[str, ...]:
    """The architectures that need no download, other widths included."""
    return (*tiny_names(), *(f"{BASE}-w{width}" for width in WIDTHS))


def model_spec(name: str) -> ModelSpec:
    """The model that a user names.

    Args:
        name: as for ``benchmark.architectures.model_spec``; besides, ``tiny-resnet-w8`` is ``tiny-resnet`` at width 8,
            alone or with ``@PATH``.

    Raises:
        UserError: there is no such model, or no such checkpoint.
    """
    architecture, separator, path = name.partition("@")
    if not architecture.startswith(f"{BASE}-"):
        return known_spec(name)
    names = embedded_names()
    if architecture not in names:
        raise UserError(f"no model named '{architecture}'; {did_you_mean(architecture, names)}")
    base = known_spec(BASE + separator + path)
    vision = {**base.config["vision_cfg"], "width": int(architecture.rpartition("-w")[2])}
    return replace(base, name=name, architecture=architecture, config={**base.config, "vision_cfg": vision})
