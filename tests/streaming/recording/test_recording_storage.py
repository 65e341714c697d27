"""The folder of a recorder: its limit, a full disk, a killed process, two processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kinema.errors import UsageError
from kinema.events import Event, EventRules, LabelRule
from kinema.streaming.recording import ClipRecorder, VideoRecorder
from kinema.streaming.recording import storage as storage_module
from kinema.streaming.rows import Row, View
from kinema.streaming.sinks import Sink, StreamInfo
from kinema.video import open_source

RULES = EventRules("none", default=LabelRule(0.6, 0.4, 0.0, 1, 0.0, 0.0))
INFO = StreamInfo(["idle", "fall"], ["door"], RULES, None)
NOISE = np.random.default_rng(0).integers(0, 256, (8, 240, 320, 3), dtype=np.uint8)


def row_at(time: float) -> Row:
    values = np.array([0.2, 0.8], np.float32)
    return Row(0, "door", time, values, values, True, True, 0.0, 0.0, 0.0, 0.0, 0.01, 0.001, 0.02)


def event(start: float, *, ended: bool) -> Event:
    name = f"door-{round(start):03d}"
    return Event("fall", start, start + 1, 0.9, start, 0.8, source="door", id=name, ended=ended)


def opened(sink: Sink) -> list[str]:
    told: list[str] = []
    sink.on_tell = told.append
    sink.open(INFO)
    return told


def feed(sink: Sink, first: float, last: float) -> None:
    """10 frames a second that no encoder makes small."""
    for tick in range(round(first * 10), round(last * 10)):
        sink.view(View(0, tick / 10, 0.0, NOISE[tick % 8]))
        sink.row(row_at(tick / 10))


def one_event(recorder: ClipRecorder, start: float) -> None:
    """An event of one second, with half a second before and after it."""
    feed(recorder, start - 1, start + 0.1)
    recorder.event(event(start, ended=False))
    feed(recorder, start + 0.1, start + 1.1)
    recorder.event(event(start, ended=True))
    feed(recorder, start + 1.1, start + 2.0)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".recording.lock")


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_the_oldest_clips_go_when_the_limit_is_reached(tmp_path: Path) -> None:
    with ClipRecorder(tmp_path / "a", pre=0.5, post=0.5, reserve_mb=0, limit_gb=None) as recorder:
        opened(recorder)
        one_event(recorder, 10.0)
    one = size_of(tmp_path / "a")
    recorder = ClipRecorder(tmp_path / "b", pre=0.5, post=0.5, reserve_mb=0, limit_gb=3.5 * one / 1e9)
    told = opened(recorder)
    for k in range(1, 7):
        one_event(recorder, 10.0 * k)
        assert size_of(tmp_path / "b") <= 3.6 * one
    recorder.close()
    # Three fit; clip, record and thumbnail go together.
    assert names(tmp_path / "b" / "clips") == [
        f"door-0{k}0.{kind}" for k in (4, 5, 6) for kind in ("json", "mp4")
    ]
    assert names(tmp_path / "b" / "thumbnails") == ["door-040.jpg", "door-050.jpg", "door-060.jpg"]
    assert len(told) == 1 and "the oldest recordings are being deleted" in told[0]


def test_a_clip_that_is_larger_than_the_limit_stays_while_it_is_written_and_as_the_newest(
    tmp_path: Path,
) -> None:
    recorder = ClipRecorder(tmp_path, pre=0.5, post=0.5, reserve_mb=0, limit_gb=1e-6)
    opened(recorder)
    one_event(recorder, 10.0)
    assert names(tmp_path / "clips") == ["door-010.json", "door-010.mp4"]
    one_event(recorder, 20.0)
    recorder.close()
    assert names(tmp_path / "clips") == ["door-020.json", "door-020.mp4"]


def test_one_folder_has_one_recorder(tmp_path: Path) -> None:
    first, second = ClipRecorder(tmp_path, reserve_mb=0), ClipRecorder(tmp_path, reserve_mb=0)
    opened(first)
    with pytest.raises(UsageError, match="another process records there; give this one a folder of its own"):
        opened(second)
    second.close()
    first.close()
    opened(second)
    second.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_clips_pause_while_the_disk_is_full_and_go_on_when_there_is_room(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_module, "_TRY_AGAIN", 0.0)
    recorder = ClipRecorder(small_disk, pre=0.5, post=0.5, reserve_mb=0)
    told = opened(recorder)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(800_000))
    one_event(recorder, 10.0)
    one_event(recorder, 20.0)
    assert told == [
        f"clips: {small_disk}/clips: the disk is full; recording pauses and goes on when there is room"
    ]
    assert names(small_disk / "clips") == []  # nothing half-written
    ballast.unlink()
    one_event(recorder, 30.0)
    recorder.close()
    assert told[1:] == [f"clips: {small_disk}/clips: there is room again; recording goes on"]
    assert names(small_disk / "clips") == ["door-030.json", "door-030.mp4"]
    assert len(list(open_source(small_disk / "clips" / "door-030.mp4"))) == 21


def test_an_event_that_outlasts_the_full_disk_gets_the_rest_of_its_clip(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_module, "_TRY_AGAIN", 0.0)
    recorder = ClipRecorder(small_disk, pre=0.5, post=0.5, reserve_mb=0.5)
    opened(recorder)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(700_000))
    feed(recorder, 0, 2)
    recorder.event(event(1.9, ended=False))
    feed(recorder, 2, 4)
    ballast.unlink()
    feed(recorder, 4, 5)
    recorder.event(Event("fall", 1.9, 4.8, 0.9, 2.0, 0.8, source="door", id="door-002", ended=True))
    feed(recorder, 5, 6)
    recorder.close()
    frames = list(open_source(small_disk / "clips" / "door-002.mp4"))
    assert frames[-1].time >= 1.5  # from before the room came, at 4.0, to 5.3
    assert names(small_disk / "thumbnails") == ["door-002.jpg"]


def test_little_room_is_left_to_others(tmp_path: Path) -> None:
    recorder = ClipRecorder(tmp_path, pre=0.5, post=0.5, reserve_mb=1e9)
    told = opened(recorder)
    one_event(recorder, 10.0)
    one_event(recorder, 20.0)
    recorder.close()
    assert len(told) == 1 and "less than 1000000000 MB are free; recording pauses" in told[0]
    assert names(tmp_path / "clips") == [] and names(tmp_path / "thumbnails") == []


def test_a_segment_keeps_what_was_written_before_the_disk_was_full(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_module, "_TRY_AGAIN", 0.0)
    recorder = VideoRecorder(small_disk, reserve_mb=0)
    told = opened(recorder)
    feed(recorder, 0, 20)
    assert len(told) == 1 and "the disk is full; recording pauses" in told[0]
    kept = [path for path in names(small_disk / "video") if not path.endswith(".recording.mp4")]
    assert kept and all(len(list(open_source(small_disk / "video" / name))) > 5 for name in kept)
    for name in kept:
        (small_disk / "video" / name).unlink()
    feed(recorder, 20, 22)
    recorder.close()
    assert told[1:] == [f"recording: {small_disk}/video: there is room again; recording goes on"]


KILLED = """
import sys, time
sys.path[:0] = {path!r}
from test_recording_storage import *
clips, video = ClipRecorder({folder!r}, pre=0.5, reserve_mb=0), VideoRecorder({folder!r}, reserve_mb=0)
clips.open(INFO), video.open(INFO)
for tick in range(100_000):
    for sink in (clips, video):
        sink.view(View(0, tick / 10, 0.0, NOISE[tick % 8]))
        sink.row(row_at(tick / 10))
        if tick == 20:
            sink.event(event(2.0, ended=False))
    if tick == 200:
        print("written", flush=True)
        time.sleep(600)
"""


def test_a_killed_process_leaves_a_segment_that_plays_and_no_half_clip(tmp_path: Path) -> None:
    script = KILLED.format(path=[str(Path(__file__).parent), *sys.path], folder=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    (unfinished,) = (tmp_path / "video").glob("*.recording.mp4")
    frames = list(open_source(unfinished))
    assert 160 <= len(frames) <= 201 and frames[0].time == 0  # 10 a second: less than 4 s are lost
    assert list((tmp_path / "clips").glob(".door*.mp4"))  # begun, and of no use

    clips, video = ClipRecorder(tmp_path, reserve_mb=0), VideoRecorder(tmp_path, reserve_mb=0)
    opened(clips)
    told = opened(video)
    final = unfinished.with_name(unfinished.name.replace(".recording", ""))
    assert told == [f"recording: 1 recording of a process that was killed got an end: {final}"]
    assert names(tmp_path / "clips") == [] and names(tmp_path / "video") == [final.name]
    again = list(open_source(final))
    assert len(again) == len(frames)
    assert again[-1].time == pytest.approx(frames[-1].time, abs=0.01)
    data = final.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    clips.close()
    video.close()


def test_an_unfinished_segment_without_a_picture_is_removed(tmp_path: Path) -> None:
    (tmp_path / "video").mkdir()
    (tmp_path / "video" / "door-1.recording.mp4").write_bytes(b"")
    (tmp_path / "video" / "door-2.recording.mp4").write_bytes(b"\0\0\0\x24ftypisom" + bytes(400))
    recorder = VideoRecorder(tmp_path, reserve_mb=0)
    assert opened(recorder) == []
    assert names(tmp_path / "video") == []
    recorder.close()


def test_closing_keeps_to_its_time(tmp_path: Path) -> None:
    recorder = ClipRecorder(tmp_path, pre=30.0, max_seconds=90, reserve_mb=0)
    opened(recorder)
    feed(recorder, 0, 40)
    recorder.event(event(39.0, ended=False))
    began = time.monotonic()
    recorder.close(timeout=0.0)
    assert time.monotonic() - began < 10.0
    assert names(tmp_path / "clips") == ["door-039.json", "door-039.mp4"]
