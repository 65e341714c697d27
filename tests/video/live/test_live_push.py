"""Frames that a program pushes."""

from __future__ import annotations

import struct
import threading
import time
import zlib
from typing import Any

import cv2
import numpy as np
import pytest

from kinema.errors import DataError
from kinema.video.live import PushSource
from kinema.video.live.push import stated_size


def grey(level: int, size: tuple[int, int] = (16, 12)) -> Any:
    return np.full((size[1], size[0], 3), level, np.uint8)


def test_arrays_and_pictures_come_out_in_order() -> None:
    source = PushSource("browser")
    red = np.zeros((12, 16, 3), np.uint8)
    red[..., 0] = 250  # RGB
    png = cv2.imencode(".png", red[:, :, ::-1])[1].tobytes()
    jpeg = cv2.imencode(".jpg", grey(90))[1].tobytes()
    assert source.push(grey(10), time=5.0) and source.push(png, time=5.5) and source.push(jpeg, time=5.75)
    source.end()
    assert not source.push(grey(1))
    frames = list(source)
    assert [frame.time for frame in frames] == [0.0, 0.5, 0.75]
    assert [frame.image[0, 0].tolist() for frame in frames] == [[10, 10, 10], [250, 0, 0], [90, 90, 90]]
    assert source.size == (16, 12)


def test_frames_that_nobody_takes_are_dropped_oldest_first_and_counted() -> None:
    source = PushSource("browser", capacity=3)
    for k in range(10):
        source.push(grey(k), time=0.1 * k)
    source.end()
    assert [int(frame.image[0, 0, 0]) for frame in source] == [7, 8, 9]
    assert source.dropped == 7


def test_frames_without_a_time_have_that_of_the_push() -> None:
    source = PushSource("browser")
    source.push(grey(1))
    time.sleep(0.2)
    source.push(grey(2))
    source.end()
    assert [frame.time for frame in source] == pytest.approx([0.0, 0.2], abs=0.08)


def test_a_frame_of_another_size_is_fitted_and_told_once() -> None:
    told: list[tuple[str, str]] = []
    source = PushSource("browser")
    source.on_notice = lambda kind, text: told.append((kind, text))
    for size in ((16, 12), (12, 12), (12, 12)):
        source.push(grey(200, size), time=0.0)
    source.end()
    last = list(source)[-1].image
    assert last.shape == (12, 16, 3)
    assert last[0, :, 0].tolist() == [0, 0, *[200] * 12, 0, 0]
    assert told[:1] == [("changed", "browser: pictures of 12x12 pixels now, 16x12 before; shown as 16x12")]
    assert [kind for kind, _ in told] == ["changed", "ended"]


def _png_of(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + b"IHDR"
        + head
        + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    )


JPEG = cv2.imencode(".jpg", grey(9))[1].tobytes()


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        (b"", "0 bytes that are no JPEG or PNG"),
        (b"GIF89a....", "10 bytes that are no JPEG or PNG"),
        (JPEG[:-40], "a JPEG that is cut short"),
        (_png_of(100, 100), "is damaged"),
        (_png_of(10_000, 10_000), "10000x10000 pixels is more than 50 megapixels"),
        (np.zeros((4, 4), np.uint8), r"not uint8 \(4, 4\)"),
        (np.zeros((4, 4, 3), np.float32), r"not float32 \(4, 4, 3\)"),
        (np.zeros((0, 4, 3), np.uint8), "has no picture"),
        ([1, 2], "not list"),
    ],
)
def test_what_is_no_frame_is_refused_and_the_source_goes_on(bad: Any, fault: str) -> None:
    source = PushSource("browser")
    with pytest.raises(DataError, match=fault):
        source.push(bad)
    assert source.push(JPEG)
    source.end()
    assert len(list(source)) == 1


def test_the_size_is_read_before_decoding_anything() -> None:
    assert stated_size(JPEG) == (16, 12)
    progressive = cv2.imencode(".jpg", grey(9, (40, 30)), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    assert stated_size(progressive) == (40, 30)
    assert stated_size(b"\xff\xd8\xff") is None


def test_pushing_and_taking_go_on_in_threads_of_their_own() -> None:
    source = PushSource("browser", capacity=10_000)
    threads = [
        threading.Thread(target=lambda: [source.push(grey(5), time=None) for _ in range(200)])
        for _ in range(4)
    ]
    taken: list[int] = []
    taker = threading.Thread(
        target=lambda: taken.extend(picture.index for picture in source.pictures(0.0, None))
    )
    taker.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    source.end()
    taker.join(10)
    assert taken == list(range(800))


def test_the_size_waits_for_the_first_frame() -> None:
    source = PushSource("browser")
    assert not source.wait(0.05)
    threading.Timer(0.2, source.push, (grey(3),)).start()
    assert source.size == (16, 12)
    empty = PushSource("browser")
    empty.end()
    with pytest.raises(DataError, match="ended before its first frame"):
        _ = empty.size


def test_stop_wakes_who_waits() -> None:
    source = PushSource("browser")
    threading.Timer(0.2, source.stop).start()
    assert list(source.pictures(0.0, None)) == []
    assert not source.push(grey(1))
    source.close()
    source.close()
