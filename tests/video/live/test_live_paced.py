"""Files at their own pace, raw frames on a pipe, and the options of live sources."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinema.errors import DataError, UsageError
from kinema.video import open_source
from kinema.video.live import PacedSource, RawSource, open_live
from kinema.video.live.pacing import Pacer


def test_the_pacer_gives_what_is_late_at_once_and_waits_for_what_is_early() -> None:
    now = [100.0]
    rests: list[float] = []
    pacer = Pacer(speed=2.0, patience=1.0, now=lambda: now[0])
    assert pacer.wait(4.0, rests.append) == 100.0
    assert pacer.wait(5.0, rests.append) == 100.5  # one second at twice the speed
    now[0] = 101.2
    assert pacer.wait(6.0, rests.append) == 101.0  # late, moves nothing
    assert pacer.wait(7.0, rests.append) == 101.5
    now[0] = 105.0
    assert pacer.wait(8.0, rests.append) == 105.0  # it stood still: what follows is as late
    assert pacer.wait(9.0, rests.append) == 105.5
    assert rests == pytest.approx([0.5, 0.3, 0.5])


def test_a_file_comes_as_from_a_camera(tmp_path: Path, synthetic: Any) -> None:
    clip = synthetic.encode(tmp_path / "clip.mp4", 20)
    with PacedSource(open_source(clip), speed=2.0) as source:
        assert (source.live, source.size, source.fps, source.name) == (True, (64, 48), 25.0, str(clip))
        pictures = [
            (picture.time, picture.arrived, time.monotonic()) for picture in source.pictures(0.0, None)
        ]
    began = pictures[0][1]
    assert [due - began for _, due, _ in pictures] == pytest.approx([k / 50 for k in range(20)], abs=0.005)
    assert [shown for shown, _, _ in pictures] == pytest.approx([k / 25 for k in range(20)])
    assert all(given >= due - 0.001 for _, due, given in pictures)
    assert pictures[-1][2] - began == pytest.approx(0.38, abs=0.15)


def test_who_is_late_gets_every_picture_without_waiting(tmp_path: Path, synthetic: Any) -> None:
    clip = synthetic.encode(tmp_path / "clip.mp4", 25)
    with PacedSource(open_source(clip)) as source:
        pictures = source.pictures(0.0, None)
        next(pictures)
        time.sleep(1.1)
        began = time.monotonic()
        assert len(list(pictures)) == 24
        assert time.monotonic() - began < 0.9  # at its pace it would take 0.96


def test_a_paced_source_samples_as_the_file_and_stops_at_once(tmp_path: Path, synthetic: Any) -> None:
    clip = synthetic.encode(tmp_path / "clip.mp4", 25)
    with open_source(clip) as file, PacedSource(open_source(clip), speed=20.0) as paced:
        expected = [(frame.time, int(frame.image.mean())) for frame in file.frames(fps=8.0, size=(32, 24))]
        assert [
            (frame.time, int(frame.image.mean())) for frame in paced.frames(fps=8.0, size=(32, 24))
        ] == expected
    with PacedSource(open_source(clip), speed=0.01) as slow:
        threading.Timer(0.3, slow.stop).start()
        began = time.monotonic()
        assert len(list(slow.pictures(0.0, None))) == 1
        assert time.monotonic() - began < 3.0  # the next picture is due after 4
    with pytest.raises(UsageError, match="speed must be a positive number"):
        PacedSource(open_source(clip), speed=0)


def test_a_folder_at_its_own_pace(tmp_path: Path) -> None:
    import cv2

    for k in range(6):
        cv2.imwrite(str(tmp_path / f"f{k}.png"), np.full((8, 8, 3), 40 * k, np.uint8))
    with open_live(tmp_path, realtime=True, fps=20.0) as source:
        began = time.monotonic()
        assert [int(frame.image.mean()) for frame in source] == [0, 40, 80, 120, 160, 200]
        assert time.monotonic() - began == pytest.approx(0.25, abs=0.1)


PIXELS = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


@pytest.mark.parametrize(
    ("pixel_format", "data", "expected"),
    [
        ("rgb24", PIXELS.tobytes(), PIXELS),
        ("bgr24", PIXELS[:, :, ::-1].tobytes(), PIXELS),
        ("gray", PIXELS[:, :, 0].tobytes(), np.repeat(PIXELS[:, :, :1], 3, axis=2)),
        # BT.601, limited range: Y 16 is black, 235 white, whatever the neutral chroma of 128.
        (
            "yuv420p",
            bytes([235] * 12 + [16] * 12 + [128] * 12),
            np.repeat([[[255] * 3] * 6, [[0] * 3] * 6], 2, axis=0),
        ),
    ],
)
def test_raw_frames_of_every_layout(pixel_format: str, data: bytes, expected: Any) -> None:
    source = RawSource(io.BytesIO(data * 3), size=(6, 4), fps=10.0, pixel_format=pixel_format)
    frames = list(source)
    assert [frame.time for frame in frames] == [0.0, 0.1, 0.2]
    for frame in frames:
        np.testing.assert_array_equal(frame.image, expected)
    assert source.problems == []


def test_a_cut_last_frame_is_left_out_and_noted() -> None:
    told: list[tuple[str, str]] = []
    source = RawSource(io.BytesIO(PIXELS.tobytes() * 2 + b"abc"), size=(6, 4), fps=25.0)
    source.on_notice = lambda kind, text: told.append((kind, text))
    assert len(list(source)) == 2
    assert source.problems == [
        "-: the last frame has 3 of 72 bytes and was left out; cut short, or not 6x4 rgb24"
    ]
    assert [kind for kind, _ in told] == ["source", "ended"]


def test_raw_frames_on_standard_input() -> None:
    program = (
        "from kinema.video.live import open_live\n"
        "with open_live('-', stdin_size=(6, 4), stdin_fps=5) as source:\n"
        "    print([(frame.time, int(frame.image.sum())) for frame in source])\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", program],
        input=PIXELS.tobytes() * 2,
        capture_output=True,
        env=environment,
        timeout=60,
    )
    assert run.stdout.decode() == "[(0.0, 2556), (0.2, 2556)]\n"  # 0 + 1 + … + 71


def test_raw_frames_need_their_size_and_rate() -> None:
    for opened in (lambda: open_source("-"), lambda: open_live("-", stdin_size=(6, 4))):
        with pytest.raises(UsageError, match=r"need their size and rate: --size 640x480 --fps 25"):
            opened()
    with pytest.raises(UsageError, match="yuv420p wants even sides"):
        RawSource(io.BytesIO(), size=(5, 4), fps=25.0, pixel_format="yuv420p")
    with pytest.raises(UsageError, match="'nv12' is not known; known are rgb24, bgr24, gray, yuv420p"):
        RawSource(io.BytesIO(), size=(6, 4), fps=25.0, pixel_format="nv12")


def test_options_that_do_not_fit_a_source_are_refused(tmp_path: Path, synthetic: Any) -> None:
    clip = synthetic.encode(tmp_path / "clip.mp4")
    with pytest.raises(UsageError, match="go with the source '-'"):
        open_live(clip, stdin_fps=25)
    with pytest.raises(UsageError, match="a size is for cameras"):
        open_live(clip, size=(64, 48))
    with pytest.raises(DataError, match="no such file"):
        open_live(tmp_path / "absent.mp4")


def test_a_file_named_like_a_camera_is_a_file(
    tmp_path: Path, synthetic: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    synthetic.encode(tmp_path / "clip.mp4", 3).rename(tmp_path / "0")
    monkeypatch.chdir(tmp_path)
    with open_source("0") as source:
        assert len(list(source)) == 3
