"""What is drawn on a frame: readable on any background and at any size."""

from __future__ import annotations

import time

import numpy as np
import pytest

from kinema.errors import UsageError
from kinema.video import draw_label, draw_prediction

CLASSES = ["walking", "jogging", "running", "boxing"]
VALUES = [0.1, 0.65, 0.2, 0.05]


@pytest.mark.parametrize("size", [(120, 160), (480, 640), (1080, 1920), (640, 360), (2160, 3840)])
@pytest.mark.parametrize("background", ["black", "white", "noise"])
def test_text_stands_out_from_its_panel(size: tuple[int, int], background: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    image = {"black": noise * 0, "white": noise * 0 + 255, "noise": noise}[background]
    before = image.copy()
    out = draw_prediction(image, CLASSES, VALUES, inference_ms=3.21)
    assert np.array_equal(image, before)
    assert out.shape == image.shape
    rows, columns = np.nonzero((out != image).any(2))
    panel = out[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    # Behind the text nothing is brighter than 0.28 of white; the text itself is near white.
    assert (panel.max(2) <= 72).mean() > 0.5
    assert (panel.min(2) >= 180).mean() > 0.02


def test_bars_are_as_long_as_the_probabilities() -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    out = draw_prediction(image, CLASSES, VALUES, top=2)
    best = (out == (94, 208, 255)).all(2).sum(1).max()
    track = (out == (112, 112, 112)).all(2).sum(1)
    length = best + track[(out == (94, 208, 255)).all(2).any(1)].max()
    assert best / length == pytest.approx(0.65, abs=0.01)


def test_only_the_panel_is_touched() -> None:
    image = np.full((480, 640, 3), 180, np.uint8)
    out = draw_prediction(image, CLASSES, VALUES, inference_ms=1)
    assert (out[200:] == 180).all()
    assert (out[:, 360:] == 180).all()


def test_top_is_limited_by_the_height_and_long_names_by_the_width() -> None:
    image = np.full((90, 60, 3), 255, np.uint8)
    out = draw_prediction(image, ["x" * 300] * 50, [0.02] * 50, top=50)
    assert (out[62:] == 255).all()
    assert draw_prediction(image[:5, :5], CLASSES, VALUES, inference_ms=2).shape == (5, 5, 3)
    assert draw_label(image[:5, :5], "running").shape == (5, 5, 3)


def test_unicode_differs_from_the_missing_glyph() -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    assert not np.array_equal(draw_label(image, "бег"), draw_label(image, "\uffff\uffff\uffff"))


def test_label_stands_in_the_lower_left_corner() -> None:
    image = np.full((120, 160, 3), 255, np.uint8)
    out = draw_label(image, "0.52 s")
    assert (out[:90] == 255).all()
    assert (out[100:116, 4:40] < 100).mean() > 0.3


def test_wrong_lengths_are_refused() -> None:
    with pytest.raises(UsageError):
        draw_prediction(np.zeros((9, 9, 3), np.uint8), CLASSES, [0.5])


def test_fast_enough_for_live_video() -> None:
    image = np.full((480, 640, 3), 128, np.uint8)
    best = 1.0
    for k in range(40):
        begin = time.perf_counter()
        draw_prediction(image, CLASSES, [k / 40, 0.1, 0.1, 0.1], inference_ms=k * 1.3)
        best = min(best, time.perf_counter() - begin)
    assert best < 0.002
