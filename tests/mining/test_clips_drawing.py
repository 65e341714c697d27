"""The picture of a long video's curves shows what is high, however many rows share a pixel."""

from __future__ import annotations

import numpy as np

from kinema.mining.clips.drawing import line


def test_of_rows_that_share_a_point_the_highest_is_drawn() -> None:
    column = np.zeros(1000, np.float32)
    column[[0, 333, 999]] = [0.2, 0.9, 0.4]
    times, drawn = line(np.arange(1000) / 10, column, points=100)
    assert len(times) == 100
    assert (times[33], drawn[33]) == (33.3, np.float32(0.9))
    assert (times[99], drawn[99]) == (99.9, np.float32(0.4))


def test_a_short_curve_is_drawn_as_it_is() -> None:
    column = np.array([0.1, 0.3, 0.2], np.float32)
    times, drawn = line(np.array([0.0, 0.5, 1.0]), column, points=100)
    assert (times.tolist(), drawn.tolist()) == ([0.0, 0.5, 1.0], column.tolist())
    assert len(line(np.zeros(0), np.zeros(0, np.float32))[0]) == 0
