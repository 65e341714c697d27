"""Raw frames from a pipe, as `ffmpeg -f rawvideo` writes them."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from functools import partial
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray

from kinema.errors import UsageError
from kinema.video.frame import check_rate
from kinema.video.live.source import LivePicture, LiveSource, fit

PIXEL_FORMATS = ("rgb24", "bgr24", "gray", "yuv420p")
"""The layouts that `RawSource` reads, by FFmpeg's names."""

_SHARES = {"rgb24": (3, 1), "bgr24": (3, 1), "gray": (1, 1), "yuv420p": (3, 2)}  # bytes a pixel


class RawSource(LiveSource):
    """Raw frames, one after another without anything between, from standard input or any binary file object.

    Frame k is at `k / fps` seconds; `arrived` is when it was complete. It ends with the file; a last frame that is cut
    short is left out and noted in `problems`. Nothing is dropped: who writes waits until its frames are taken.

    `ffmpeg -i VIDEO -f rawvideo -pix_fmt rgb24 - | kinema watch RUN - …` is how it is meant.
    """

    def __init__(
        self,
        file: BinaryIO | None = None,
        *,
        size: tuple[int, int],
        fps: float,
        pixel_format: str = "rgb24",
        name: str = "-",
    ) -> None:
        """`file`: None for standard input; it is not closed here. `size`: (width, height) in pixels.

        Raises `UsageError` for a size, rate or pixel format that makes no sense.
        """
        if pixel_format not in PIXEL_FORMATS:
            raise UsageError(
                f"pixel format '{pixel_format}' is not known; known are {', '.join(PIXEL_FORMATS)}"
            )
        if len(size) != 2 or min(size) < 1:
            raise UsageError(f"size must be (width, height) of at least one pixel, not {size}")
        if pixel_format == "yuv420p" and (size[0] % 2 or size[1] % 2):
            raise UsageError(f"yuv420p wants even sides, not {size[0]}x{size[1]}")
        check_rate(fps)
        self.name, self.size, self.fps = name, size, fps
        self._format = pixel_format
        share, whole = _SHARES[pixel_format]
        self._bytes = size[0] * size[1] * share // whole
        self._file: Any = sys.stdin.buffer if file is None else file
        self._index = 0
        self._cut: str | None = None
        self._stopped = False

    @property
    def problems(self) -> list[str]:
        """A cut last frame."""
        return [self._cut] if self._cut else []

    def pictures(self, start: float, end: float | None) -> Generator[LivePicture]:
        while not self._stopped:
            began = time.perf_counter()
            data = self._read()
            arrived = time.monotonic()
            if len(data) < self._bytes:
                self._finish(len(data))
                return
            convert = partial(_image, self._format, self.size, data)
            yield LivePicture(
                self._index / (self.fps or 1), self._index, arrived, time.perf_counter() - began, convert
            )
            self._index += 1

    def stop(self) -> None:
        """Make `pictures` end after the frame that it waits for."""
        self._stopped = True

    def close(self) -> None:
        self._stopped = True

    def _read(self) -> bytearray:
        data = bytearray()
        while len(data) < self._bytes and not self._stopped:
            piece = self._file.read(self._bytes - len(data))
            if not piece:
                break
            data += piece
        return data

    def _finish(self, rest: int) -> None:
        if self._stopped:
            return
        if rest:
            width, height = self.size
            self._cut = (
                f"{self.name}: the last frame has {rest} of {self._bytes} bytes and was left out; cut short, or not "
                f"{width}x{height} {self._format}"
            )
            self.tell("source", self._cut)
        self.tell("ended", f"{self.name}: ended after {self._index} frames")


def _image(
    pixel_format: str, canvas: tuple[int, int], data: bytearray, size: tuple[int, int] | None
) -> NDArray[np.uint8]:
    width, height = canvas
    values = np.frombuffer(data, np.uint8)
    if pixel_format == "rgb24":
        image: Any = values.reshape(height, width, 3)
    elif pixel_format == "bgr24":
        image = values.reshape(height, width, 3)[:, :, ::-1]
    elif pixel_format == "gray":
        image = np.repeat(values.reshape(height, width, 1), 3, axis=2)
    else:
        image = cv2.cvtColor(values.reshape(height * 3 // 2, width), cv2.COLOR_YUV2RGB_I420)
    return fit(np.array(image, dtype=np.uint8, order="C"), canvas, size)
