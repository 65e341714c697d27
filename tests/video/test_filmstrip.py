"""A filmstrip shows evenly spread moments of the stretch it was asked for."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from kinema.errors import DataError
from kinema.video.filmstrip import filmstrip


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Synthetic: 50 frames at 25 fps, 40 x 20, each as bright as 5 times its number."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for i in range(50):
        cv2.imwrite(str(folder / f"frames_{i:05d}.png"), np.full((20, 40, 3), 5 * i, dtype=np.uint8))
    return folder


def brightness(strip: np.ndarray, count: int) -> list[int]:
    width = (strip.shape[1] + 2) // count
    return [round(float(strip[:, i * width : i * width + width - 2].mean())) for i in range(count)]


def test_pictures_are_the_middles_of_equal_parts(frames: Path) -> None:
    strip = filmstrip(frames, 0.0, 2.0, frames=4, height=20)
    assert strip.shape == (20, 4 * 40 + 3 * 2, 3)
    # Middles at 0.25, 0.75, 1.25, 1.75 s: the first frames not before them are 7, 19, 32, 44 (25 a second).
    assert brightness(strip, 4) == [35, 95, 160, 220]


def test_a_stretch_and_the_whole_video(frames: Path) -> None:
    # Middles 1.1 and 1.3 s: frames 28 (1.12 s) and 33 (1.32 s).
    assert brightness(filmstrip(frames, 1.0, 1.4, frames=2, height=20), 2) == [140, 165]
    assert brightness(filmstrip(frames, frames=1, height=20), 1) == [125]


def test_fewer_frames_than_pictures_are_not_repeated(frames: Path) -> None:
    strip = filmstrip(frames, 1.0, 1.08, frames=8, height=20)
    assert strip.shape[1] <= 3 * 42


def test_nothing_there_is_an_error(frames: Path) -> None:
    with pytest.raises(DataError, match="no frame between 9 s and 10 s"):
        filmstrip(frames, 9.0, 10.0)


def test_a_real_video(test_data: Path) -> None:
    video = next((test_data / "kth").glob("*.avi"))
    assert filmstrip(video, 0.0, 4.0, height=60).shape == (60, 8 * 80 + 7 * 2, 3)
