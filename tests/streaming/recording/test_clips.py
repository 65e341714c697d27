"""Clips and thumbnails of events: which frames are in them, and what happens on the way."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from kinema.errors import UsageError
from kinema.events import Event, EventDetector, EventRules, LabelRule
from kinema.streaming.recording import ClipRecorder, clip_path, thumbnail_path
from kinema.streaming.rows import Notice, Row, View
from kinema.streaming.sinks import StreamInfo
from kinema.video import open_source

CLASSES = ["idle", "fall", "fight"]
RULES = EventRules(
    "none",
    background=("idle",),
    default=LabelRule(enter=0.6, leave=0.4, min_seconds=0.0, consecutive=1, merge_gap=0.0, cooldown=0.0),
)


def grey(level: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    return np.full((size[1], size[0], 3), level, np.uint8)


def level_at(time: float) -> int:
    """Frames tell their time by their grey: 20 at 0 s, 10 more each second, at most 240."""
    return min(round(20 + 10 * time), 240)


def view_at(time: float, source: int = 0, size: tuple[int, int] = (64, 48)) -> View:
    return View(source, time, 0.0, grey(level_at(time), size))


def row_at(time: float, fall: float = 0.0, fight: float = 0.0, source: int = 0, name: str = "door") -> Row:
    values = np.array([max(0.0, 1 - fall - fight), fall, fight], np.float32)
    return Row(source, name, time, values, values, True, True, 0.0, 0.0, 0.0, 0.0, 0.01, 0.001, 0.02)


def event(
    start: float,
    end: float,
    *,
    label: str = "fall",
    ended: bool,
    source: str = "door",
    peak_time: float = 0.0,
) -> Event:
    name = f"{source}-{round(start * 1000):09d}-{label}"
    return Event(label, start, end, 0.9, peak_time or start, 0.8, source=source, id=name, ended=ended)


def opened(folder: Path, told: list[str] | None = None, **settings: object) -> ClipRecorder:
    recorder = ClipRecorder(folder, reserve_mb=0, **settings)  # type: ignore[arg-type]
    recorder.on_tell = (told if told is not None else []).append
    recorder.open(StreamInfo(CLASSES, ["door", "yard"], RULES, folder))
    return recorder


def times_of(path: Path, first: float) -> list[float]:
    """The times of a clip's frames on the source's clock, when its first frame was at `first`."""
    return [round(first + frame.time, 3) for frame in open_source(path)]


def levels_of(path: Path) -> list[int]:
    return [round(float(frame.image.mean())) for frame in open_source(path)]


def test_the_clip_begins_before_the_event_and_ends_after_it(tmp_path: Path) -> None:
    recorder = opened(tmp_path, pre=2.0, post=1.0)
    for tick in range(15 * 10 + 1):  # 10 frames a second, for 15 s
        time = tick / 10
        recorder.view(view_at(time))
        recorder.row(row_at(time, fall=0.9 if 6 <= time <= 8 else 0.0))
        if time == 6.0:
            recorder.event(event(6.0, 6.0, ended=False))
        if time == 8.1:
            recorder.event(event(6.0, 8.0, ended=True))
    recorder.close()
    path = tmp_path / clip_path(event(6.0, 8.0, ended=True))
    assert times_of(path, 4.0) == [round(4 + k / 10, 3) for k in range(51)]  # 4.0 to 9.0
    # Grey levels 60 at 4 s to 110 at 9 s: the very frames, in order.
    assert levels_of(path) == pytest.approx([60 + k for k in range(51)], abs=1)
    record = json.loads(path.with_suffix(".json").read_text())
    assert record["clip"] == {"start": 4.0, "end": 9.0, "frames": 51, "cut": False}
    assert record["event"]["end"] == 8.0
    assert sorted(p.name for p in (tmp_path / "clips").iterdir()) == [
        ".recording.lock",
        "door-000006000-fall.json",
        "door-000006000-fall.mp4",
    ]


def test_frames_keep_their_times_where_the_rate_varies(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.5, 0.54, 1.3, 1.31, 2.0, 2.9, 3.0, 3.6]
    recorder = opened(tmp_path, pre=0.5, post=0.5)
    for time in times:
        recorder.view(view_at(time))
        recorder.row(row_at(time))
        if time == 1.3:
            recorder.event(event(1.0, 1.3, ended=False))
        if time == 2.9:
            recorder.event(event(1.0, 2.6, ended=True))
    recorder.close()
    assert times_of(tmp_path / "clips" / "door-000001000-fall.mp4", 0.5) == [
        0.5,
        0.54,
        1.3,
        1.31,
        2.0,
        2.9,
        3.0,
    ]


def test_the_pre_roll_counts_from_the_start_that_lies_before_the_announcement(tmp_path: Path) -> None:
    """An event is announced once it is confirmed, and lag moves its start back further: 2 + 1.5 s here."""
    rule = LabelRule(enter=0.6, leave=0.4, min_seconds=2.0, consecutive=3, merge_gap=0.5, cooldown=0.0)
    rules = EventRules("none", background=("idle",), default=rule, lag=1.5)
    recorder = ClipRecorder(tmp_path, pre=3.0, post=1.0, reserve_mb=0)
    recorder.open(StreamInfo(CLASSES, ["door"], rules, tmp_path))
    detector = EventDetector(CLASSES, rules, "door")
    begun, ended = [], []
    for tick in range(30 * 8 + 1):  # 8 frames a second, a row at every second one
        time = tick / 8
        recorder.view(view_at(time))
        if tick % 2:
            continue
        row = row_at(time, fall=0.9 if 12 <= time <= 16 else 0.0)
        recorder.row(row)
        for found in detector.push(time, row.probabilities):
            (ended if found.ended else begun).append((time, found))
            recorder.event(found)
    recorder.close()
    # Rows at 12.0 ... 16.0 stand; confirmed at 14.0; shown 1.5 s earlier.
    assert [(time, found.start) for time, found in begun] == [(14.0, 10.5)]
    assert [found.end for _, found in ended] == [14.5]
    path = tmp_path / clip_path(begun[0][1])
    assert times_of(path, 7.5) == [7.5 + k / 8 for k in range(65)]  # 7.5 to 15.5
    assert levels_of(path)[0] == pytest.approx(95, abs=1)


def test_an_event_at_the_very_start_has_no_pre_roll(tmp_path: Path) -> None:
    recorder = opened(tmp_path, pre=3.0, post=0.5)
    for tick in range(21):
        recorder.view(view_at(tick / 10))
        recorder.row(row_at(tick / 10))
        if tick == 2:
            recorder.event(event(0.0, 0.2, ended=False))
        if tick == 6:
            recorder.event(event(0.0, 0.5, ended=True))
    assert times_of(tmp_path / "clips" / "door-000000000-fall.mp4", 0.0) == [
        round(k / 10, 3) for k in range(11)
    ]
    recorder.close()


def test_overlapping_events_have_clips_of_their_own(tmp_path: Path) -> None:
    recorder = opened(tmp_path, pre=1.0, post=1.0)
    changes = {
        2.0: event(2.0, 2.0, ended=False),
        3.0: event(3.0, 3.0, label="fight", ended=False),
        4.1: event(2.0, 4.0, ended=True),
        6.1: event(3.0, 6.0, label="fight", ended=True),
    }
    for tick in range(101):
        time = tick / 10
        recorder.view(view_at(time))
        recorder.view(view_at(time, source=1))
        recorder.row(row_at(time))
        if time in changes:
            recorder.event(changes[time])
    recorder.close()
    fall = tmp_path / "clips" / "door-000002000-fall.mp4"
    fight = tmp_path / "clips" / "door-000003000-fight.mp4"
    assert times_of(fall, 1.0) == [round(1 + k / 10, 3) for k in range(41)]
    assert times_of(fight, 2.0) == [round(2 + k / 10, 3) for k in range(51)]
    assert levels_of(fight)[:3] == pytest.approx([40, 41, 42], abs=1)


def test_the_thumbnail_is_the_frame_at_the_peak_even_when_that_is_long_past(tmp_path: Path) -> None:
    recorder = opened(tmp_path, pre=1.0, post=0.5)
    path = tmp_path / thumbnail_path(event(3.0, 20.0, ended=True))
    for tick in range(22 * 10 + 1):
        time = tick / 10
        recorder.view(view_at(time))
        if tick % 5 == 0:
            recorder.row(row_at(time, fall={6.5: 0.97}.get(time, 0.8) if 3 <= time <= 20 else 0.0))
        if time == 3.0:
            recorder.event(event(3.0, 3.0, ended=False))
            # There at once, so that whoever is told of the beginning has a picture: 3 s is grey 50.
            assert cv2.imread(str(path)).mean() == pytest.approx(50, abs=2)
        if time == 20.5:
            recorder.event(event(3.0, 20.0, ended=True, peak_time=6.5))
            picture = cv2.imread(str(path))
            assert picture.shape == (240, 320, 3)
            assert picture.mean() == pytest.approx(85, abs=2)  # 20 + 10 * 6.5
    assert recorder.memory < 2_000_000
    recorder.close()


def test_a_long_event_is_cut_and_its_record_says_so(tmp_path: Path) -> None:
    recorder = opened(tmp_path, pre=1.0, post=1.0, max_seconds=4.0)
    path = tmp_path / "clips" / "door-000002000-fall.mp4"
    for tick in range(201):
        time = tick / 10
        recorder.view(view_at(time))
        recorder.row(row_at(time, fall=0.9))
        if time == 2.0:
            recorder.event(event(2.0, 2.0, ended=False))
        if time == 15.0:
            assert path.is_file()  # while the event goes on
            recorder.event(event(2.0, 14.9, ended=True))
    recorder.close()
    assert times_of(path, 1.0) == [round(1 + k / 10, 3) for k in range(41)]  # 1.0 to 5.0
    record = json.loads(path.with_suffix(".json").read_text())
    assert (record["clip"]["cut"], record["clip"]["end"], record["event"]["end"]) == (True, 5.0, 14.9)


def test_nothing_after_the_post_roll_is_in_the_clip_when_the_rows_run_behind(tmp_path: Path) -> None:
    """Frames come 2 s before their rows, as they do where a file is read ahead."""
    recorder = opened(tmp_path, pre=1.0, post=0.5)
    for tick in range(121):
        recorder.view(view_at(tick / 10))
        time = round(tick / 10 - 2.0, 3)
        if time >= 0:
            recorder.row(row_at(time, fall=0.9 if 5 <= time <= 6 else 0.0))
        if time == 5.0:
            recorder.event(event(5.0, 5.0, ended=False))
        if time == 6.1:
            recorder.event(event(5.0, 6.0, ended=True))
    recorder.close()
    assert times_of(tmp_path / "clips" / "door-000005000-fall.mp4", 4.0) == [
        round(4 + k / 10, 3) for k in range(26)
    ]


def test_a_camera_that_changes_its_size_during_an_event(tmp_path: Path) -> None:
    recorder = opened(tmp_path, pre=0.5, post=0.5)
    for tick in range(41):
        time = tick / 10
        recorder.view(view_at(time, size=(64, 48) if time < 2 else (96, 48)))
        recorder.row(row_at(time))
        if time == 1.0:
            recorder.event(event(1.0, 1.0, ended=False))
        if time == 3.1:
            recorder.event(event(1.0, 3.0, ended=True))
    recorder.close()
    frames = list(open_source(tmp_path / "clips" / "door-000001000-fall.mp4"))
    assert len(frames) == 31  # 0.5 to 3.5
    assert {frame.image.shape for frame in frames} == {(48, 64, 3)}
    # The wider picture is 32 lines high, in the middle, on black; 3.5 s is grey 55.
    assert frames[-1].image[2:6].mean() == pytest.approx(0, abs=3)
    assert frames[-1].image[20:28].mean() == pytest.approx(55, abs=2)


def test_the_clip_of_a_source_that_ends_is_finished_at_once(tmp_path: Path) -> None:
    recorder = opened(tmp_path, pre=0.5, post=5.0)
    for tick in range(21):
        recorder.view(view_at(tick / 10))
        recorder.row(row_at(tick / 10))
        if tick == 10:
            recorder.event(event(1.0, 1.0, ended=False))
    recorder.event(event(1.0, 2.0, ended=True))
    recorder.notice(Notice("ended", "door", "door: the end", 0.0))
    assert times_of(tmp_path / "clips" / "door-000001000-fall.mp4", 0.5) == [
        round(0.5 + k / 10, 3) for k in range(16)
    ]
    recorder.close()


def test_memory_is_bounded_in_seconds_and_in_bytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)
    one = len(cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_QUALITY, 90])[1])
    by_time, by_bytes = (
        opened(tmp_path / "a", pre=2.0),
        opened(tmp_path / "b", pre=60.0, max_seconds=90, memory_mb=1.0),
    )
    for tick in range(300):
        for recorder in (by_time, by_bytes):
            recorder.view(View(0, tick / 10, 0.0, noise))
            recorder.row(row_at(tick / 10))
    # 2 s, and what an event may lie back before it is announced: three rows and the frame itself.
    assert 21 * one * 0.9 < by_time.memory < 26 * one * 1.1
    assert 1_000_000 - one * 1.1 < by_bytes.memory <= 1_000_000
    by_time.close()
    by_bytes.close()


def test_many_frames_between_two_rows_do_not_grow_the_memory(tmp_path: Path) -> None:
    """A recognizer that has stalled: the bytes are the bound."""
    recorder = opened(tmp_path, pre=1.0, memory_mb=0.05)
    recorder.row(row_at(0.0))
    for tick in range(500):
        recorder.view(view_at(tick / 25))
    assert recorder.memory <= 50_000
    recorder.close()


def test_paths_follow_from_the_event() -> None:
    found = event(12.5, 14.0, ended=True)
    assert clip_path(found) == "clips/door-000012500-fall.mp4"
    assert thumbnail_path(found) == "thumbnails/door-000012500-fall.jpg"
    nameless = Event("a / b", 12.5, 14.0, 0.9, 13.0, 0.8, source="rtsp://me:secret@host/../../etc")
    assert clip_path(nameless).startswith("clips/etc-") and clip_path(nameless).endswith("-000012500-a-b.mp4")
    assert "secret" not in clip_path(nameless)
    dated = Event("fall", 12.5, 14.0, 0.9, 13.0, 0.8, source="0", began_at="2026-05-21T09:30:02.345+00:00")
    assert clip_path(dated).endswith("-20260521T093002345Z-fall.mp4")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"pre": -1}, "clips: pre=-1: give seconds, 0 or more"),
        ({"pre": 5, "max_seconds": 4}, "clips: max_seconds=4: give more than pre (5)"),
        ({"limit_gb": 0}, "clips: limit_gb=0: give more than 0"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, float], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        ClipRecorder("x", **settings)  # type: ignore[arg-type]
    assert str(caught.value) == text
