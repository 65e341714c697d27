"""Clips of pixels: how many pictures, from where, and what stands for those that are missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kinema.data import Segment
from kinema.data.clips import draw_clip, draw_start, rate_of, read_clip
from kinema.data.clipspec import ClipSpec
from kinema.errors import DataError
from kinema.video import VideoWriter

SPEC = ClipSpec(frames=4, fps=5, height=48, width=64)  # 0.8 s


def segment(video: Path, start: float | None = None, end: float | None = None, **extra: float) -> Segment:
    return Segment(video, start, end, "a", None, None, 0, video.name, dict(extra))


@pytest.fixture
def ramp(tmp_path: Path) -> Path:
    """20 synthetic flat frames at 10 a second, of the levels 20, 30, 40 …"""
    with VideoWriter(tmp_path / "ramp.mp4", 10, quality=5) as out:
        for index in range(20):
            out.write(np.full((48, 64, 3), 20 + 10 * index, np.uint8))
    return tmp_path / "ramp.mp4"


def frames_of(clip: np.ndarray) -> list[int]:
    return [round((float(picture.mean()) - 20) / 10) for picture in clip]


def test_a_clip_has_its_pictures_in_order(ramp: Path) -> None:
    clip = read_clip(segment(ramp), SPEC, 0.4)
    assert clip.shape == (4, 48, 64, 3)
    assert clip.dtype == np.uint8
    assert frames_of(clip) == [4, 6, 8, 10]


def test_the_first_picture_stands_for_those_that_are_missing(ramp: Path) -> None:
    assert frames_of(read_clip(segment(ramp), SPEC, 1.5)) == [15, 15, 17, 19]
    assert frames_of(read_clip(segment(ramp, 0.2, 0.5), SPEC, 0.2)) == [2, 2, 2, 4]


def test_no_frame_at_all_names_the_file_and_the_time(ramp: Path) -> None:
    with pytest.raises(DataError, match=r"ramp\.mp4.*7"):
        read_clip(segment(ramp), SPEC, 7.0)


def test_where_a_clip_starts(ramp: Path) -> None:
    assert draw_start(segment(ramp), SPEC, length=2.0) == pytest.approx(0.6)  # the middle of 2 - 0.8 s
    assert draw_start(segment(ramp, 1.0), SPEC, length=2.0) == pytest.approx(1.1)
    assert draw_start(segment(ramp), SPEC) == 0.0
    assert frames_of(draw_clip(segment(ramp), SPEC)) == [6, 8, 10, 12]
    assert draw_start(segment(ramp, 0.5, 0.9), SPEC) == 0.5  # shorter than a clip
    rng = np.random.default_rng(0)
    starts = [draw_start(segment(ramp, 0.2, 1.9), SPEC, rng) for _ in range(200)]
    assert 0.2 <= min(starts) < 0.25
    assert 1.05 < max(starts) <= 1.1
    assert all(len(set(frames_of(read_clip(segment(ramp), SPEC, start)))) == 4 for start in starts[:10])


def test_a_rate_is_for_frame_folders_only(ramp: Path, tmp_path: Path) -> None:
    assert rate_of(segment(ramp, fps=10.0)) is None
    assert rate_of(segment(tmp_path, fps=10.0)) == 10.0
    assert rate_of(segment(tmp_path, fps=float("nan"))) is None
    assert rate_of(segment(tmp_path)) is None
    assert frames_of(read_clip(segment(ramp, fps=25.0), SPEC, 0.0)) == [0, 2, 4, 6]
