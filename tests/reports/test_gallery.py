"""The contact sheet of triggers, drawn from arrays alone."""

from types import SimpleNamespace

import numpy as np

from reports.figures.gallery import difference, draw


def test_a_difference_is_amplified_in_both_directions_and_clipped():
    clean = np.full((2, 2, 3), 100, dtype=np.uint8)
    triggered = clean.copy()
    triggered[0, 0], triggered[0, 1], triggered[1, 0] = 103, 97, 200
    assert difference(clean, triggered)[..., 0].tolist() == [[15, 15], [255, 0]]


def test_every_trigger_has_three_pictures_and_its_distance():
    clean = np.zeros((4, 4, 3), dtype=np.uint8)
    rows = [
        SimpleNamespace(name=f"attack {row}", settings="side 0.5", clean=clean, triggered=clean + 9, psnr=psnr)
        for row, psnr in enumerate((20.04, 31.0, np.inf, 28.0))
    ]
    figure = draw(rows)
    assert len(figure.axes) == 3 * len(rows)
    texts = [text.get_text() for text in figure.texts]
    assert {"attack 3", "side 0.5", "20.0 dB", "31.0 dB", "unchanged", "difference x 5"} <= set(texts)
    boxes = [axis.get_position() for axis in figure.axes]
    assert not any(a.overlaps(b) for row, a in enumerate(boxes) for b in boxes[:row])
