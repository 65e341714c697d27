"""Annotated video on disk: its segments, their names and limit, and what is drawn."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from kinema.errors import UsageError
from kinema.events import Event, EventRules
from kinema.streaming.recording import VideoRecorder
from kinema.streaming.rows import Notice, Row, View
from kinema.streaming.sinks import StreamInfo
from kinema.video import open_source

INFO = StreamInfo(["idle", "fall"], ["door", "rtsp://me:secret@host/yard"], EventRules(), None)


def view(at: float, level: int = 128, size: tuple[int, int] = (320, 240), source: int = 0) -> View:
    return View(source, at, time.monotonic(), np.full((size[1], size[0], 3), level, np.uint8))


def row(at: float, fall: float) -> Row:
    values = np.array([1 - fall, fall], np.float32)
    return Row(0, "door", at, values, values, True, True, 0.0, 0.0, 0.0, 0.0, 0.01, 0.002, 0.02)


def opened(folder: Path, **settings: float) -> VideoRecorder:
    recorder = VideoRecorder(folder, reserve_mb=0, **settings)  # type: ignore[arg-type]
    recorder.open(INFO)
    return recorder


def segments(folder: Path) -> list[Path]:
    return sorted((folder / "video").glob("*.mp4"), key=lambda path: path.stat().st_mtime_ns)


def lengths(folder: Path) -> list[int]:
    return [len(list(open_source(path))) for path in segments(folder)]


def test_a_new_file_every_so_many_seconds(tmp_path: Path) -> None:
    recorder = opened(tmp_path, segment_seconds=2)
    for tick in range(50):  # 5 s
        recorder.view(view(tick / 10))
    recorder.close()
    assert lengths(tmp_path) == [20, 20, 10]
    first = open_source(segments(tmp_path)[0])
    assert [frame.time for frame in first][:3] == pytest.approx([0, 0.1, 0.2], abs=0.001)


def test_names_say_source_and_date_and_keep_the_password(tmp_path: Path) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    recorder = opened(tmp_path)
    recorder.view(view(0.0))
    recorder.view(view(0.0, source=1))
    for source in (0, 1):
        recorder.row(replace(row(0.1, 0.5), source=source))
    assert {path.name.rpartition("-video")[2] for path in segments(tmp_path)} == {".recording.mp4"}
    recorder.close()
    names = [path.name for path in segments(tmp_path)]
    assert [
        bool(re.fullmatch(r"(door|yard)-[0-9a-f]{8}-\d{8}T\d{9}Z-video\.mp4", name)) for name in names
    ] == [True] * 2
    found = datetime.strptime(names[0].split("-")[2], "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC)
    assert 0 <= (found - before).total_seconds() < 10
    assert "secret" not in "".join(names)


def test_a_new_file_where_size_changes_and_after_a_gap_and_a_change(tmp_path: Path) -> None:
    recorder = opened(tmp_path)
    for tick in range(10):
        recorder.view(view(tick / 10))
    for tick in range(10, 30):
        recorder.view(view(tick / 10, size=(480, 270)))
    for tick in range(30):
        recorder.view(view(60 + tick / 10, size=(480, 270)))  # back after 57 s
    recorder.notice(Notice("changed", "door", "door: 30 frames a second now", 0.0))
    for tick in range(40):
        recorder.view(view(63 + tick / 10, size=(480, 270)))
    recorder.close()
    assert lengths(tmp_path) == [10, 20, 30, 40]
    assert [open_source(path).size for path in segments(tmp_path)] == [(320, 240)] + [(480, 270)] * 3


def test_a_frame_shows_the_result_of_its_own_moment_however_late_that_comes(tmp_path: Path) -> None:
    """Rows at 0.2 and 0.4 s come after the frames of 0.6 s: what is drawn is as if they had come in time."""
    recorder = opened(tmp_path)
    for tick in range(7):
        recorder.view(view(tick / 10, 255))
    recorder.row(row(0.2, 0.0))
    recorder.row(row(0.4, 1.0))
    recorder.event(Event("fall", 0.4, 0.4, 0.9, 0.4, 0.8, source="door", id="door-1", ended=False))
    recorder.event(Event("fall", 0.4, 0.5, 0.9, 0.4, 0.8, source="door", id="door-1", ended=True))
    recorder.close()
    (path,) = segments(tmp_path)
    pictures = [frame.image.astype(int) for frame in open_source(path)]
    assert len(pictures) == 7
    bar, corner = (slice(19, 23), slice(14, 100)), (slice(210, 240), slice(0, 120))
    # Nothing is known at 0.0 and 0.1; from 0.2 on there is a panel; the event stands from 0.4 to 0.5.
    assert [picture[bar].min() < 200 for picture in pictures] == [False] * 2 + [True] * 5
    assert [picture[corner].min() < 90 for picture in pictures] == [False] * 4 + [True] * 2 + [False]
    for picture in pictures:
        assert picture[80:190].min() > 235
    # Which class is on top: "idle" is drawn in the frames of 0.2 and 0.3, "fall" from 0.4 on.
    top = [picture[8:18, 8:60] for picture in pictures]
    assert (
        abs(top[2] - top[3]).mean() < 3
        and abs(top[4] - top[6]).mean() < 3
        and abs(top[3] - top[4]).mean() > 6
    )


def test_frames_do_not_wait_for_ever_for_a_recognizer_that_has_stalled(tmp_path: Path) -> None:
    recorder = opened(tmp_path)
    recorder.row(row(0.0, 0.5))
    for tick in range(300):  # 30 s
        recorder.view(view(tick / 10))
    (path,) = segments(tmp_path)
    assert path.name.endswith(".recording.mp4") and path.stat().st_size > 1000
    recorder.close()
    assert lengths(tmp_path) == [300]


def test_small_pictures_are_enlarged_so_that_the_panel_leaves_something_to_see(tmp_path: Path) -> None:
    recorder = opened(tmp_path)
    recorder.row(row(0.0, 0.5))
    recorder.view(view(0.0, size=(80, 60)))
    recorder.close()
    assert open_source(segments(tmp_path)[0]).size == (320, 240)


def test_the_oldest_segments_go_and_never_the_one_that_is_written(tmp_path: Path) -> None:
    told: list[str] = []
    recorder = VideoRecorder(tmp_path, segment_seconds=1, limit_gb=400_000 / 1e9, reserve_mb=0)
    recorder.on_tell = told.append
    recorder.open(INFO)
    noise = np.random.default_rng(0).integers(0, 256, (5, 240, 320, 3), dtype=np.uint8)
    for tick in range(60):
        recorder.view(View(0, tick / 5, time.monotonic(), noise[tick % 5]))
        recorder.row(row(tick / 5, 0.5))
    files = segments(tmp_path)
    assert files[-1].name.endswith(".recording.mp4")
    recorder.close()
    assert sum(path.stat().st_size for path in segments(tmp_path)) <= 400_000
    assert 1 <= len(segments(tmp_path)) < 12
    assert len(told) == 1 and "over its limit of 0.0004 GB" in told[0]


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(UsageError, match="segment_seconds=0: give at least 1 second"):
        VideoRecorder("x", segment_seconds=0)
    with pytest.raises(UsageError, match="limit_gb=-1: give more than 0"):
        VideoRecorder("x", limit_gb=-1)
    with pytest.raises(UsageError, match="no folder was given"):
        VideoRecorder().open(INFO)
