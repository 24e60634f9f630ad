"""Words as coverage masks, drawn with the font that Pillow carries."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional

_POINTS = 96


@lru_cache(maxsize=64)
def lettering(text: str, height: int, width: int, outline: float = 0.0) -> Tensor:
    """How far a word covers each pixel of the largest box that fits into ``height`` x ``width`` pixels.

    Args:
        text: what is written, in one line, at least one visible character.
        height: rows available.
        width: columns available.
        outline: thickness of a line around the letters, as a share of the font size.

    Returns:
        (2, h, w) in [0, 1]: coverage by the letters alone, and by letters and outline.
    """
    font = ImageFont.load_default(size=_POINTS)
    stroke = round(outline * _POINTS)
    left, top, right, bottom = ImageDraw.Draw(Image.new("L", (1, 1))).textbbox((0, 0), text, font, stroke_width=stroke)
    layers = []
    for thickness in (0, stroke):
        canvas = Image.new("L", (int(right - left), int(bottom - top)))
        pen = ImageDraw.Draw(canvas)
        pen.text((-left, -top), text, fill=255, font=font, stroke_width=thickness, stroke_fill=255)
        layers.append(torch.from_numpy(np.array(canvas, dtype=np.float32) / 255))
    drawn = torch.stack(layers)
    scale = min(height / drawn.shape[1], width / drawn.shape[2])
    box = (max(1, round(drawn.shape[1] * scale)), max(1, round(drawn.shape[2] * scale)))
    small = functional.interpolate(drawn[None], size=box, mode="bilinear", antialias=True)[0]
    return small.clamp(0, 1)
