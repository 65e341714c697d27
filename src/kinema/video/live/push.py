"""Frames that a program pushes: a browser's camera, another library's capture, a test."""

from __future__ import annotations

import struct
import time
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from threading import Condition

import cv2
import numpy as np
from numpy.typing import NDArray

from kinema.errors import DataError
from kinema.video.live.clock import LiveClock
from kinema.video.live.source import LivePicture, LiveSource, fit

MOST_PIXELS = 50_000_000
"""A picture with more pixels is refused before it is decoded."""

_STARTS_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class _Pushed:
    image: NDArray[np.uint8]
    time: float | None
    arrived: float
    decoding: float


class PushSource(LiveSource):
    """Gives the frames that `push` was called with, from any thread, in their order, until `end`.

    At most `capacity` frames wait; when nobody takes them the oldest are dropped and counted in `dropped`. `size` is
    that of the first frame: to ask for it waits for that frame, unless the constructor was told. A frame's time is as
    `LiveClock` says.

    >>> source = PushSource("browser")
    >>> source.push(np.zeros((2, 2, 3), np.uint8), time=0.0)
    True
    >>> source.end()
    >>> [frame.time for frame in source]
    [0.0]
    """

    def __init__(
        self,
        name: str = "push",
        capacity: int = 8,
        *,
        size: tuple[int, int] | None = None,
        fps: float | None = None,
    ) -> None:
        """`size` (width, height) and `fps`: what is expected, if known; frames of another size are fitted to it."""
        self.name, self.fps = name, fps
        self._canvas = self._last = size
        self._capacity = max(1, capacity)
        self._waiting: deque[_Pushed] = deque()
        self._clock = LiveClock()
        self._index = 0
        self._ended = self._stopped = False
        self._changed = Condition()

    def push(self, image: NDArray[np.uint8] | bytes, time: float | None = None) -> bool:
        """Add a frame: RGB uint8 `(H, W, 3)`, or the bytes of a JPEG or PNG. Return False when it is not wanted any more.

        `time`: seconds on any clock that runs evenly; None for the moment of this call. An array is not copied: leave it
        alone after.

        Raises `DataError` for what is no picture or has more than `MOST_PIXELS`; the source goes on without it.
        """
        arrived, began = _now()
        if self._ended or self._stopped:
            return False
        pixels = _decoded(self.name, image) if isinstance(image, bytes | bytearray | memoryview) else image
        _check(self.name, pixels)
        size = (pixels.shape[1], pixels.shape[0])
        with self._changed:
            if self._ended or self._stopped:
                return False
            was, self._last = self._last or size, size
            canvas = self._canvas = self._canvas or size
            if len(self._waiting) >= self._capacity:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(_Pushed(pixels, time, arrived, _now()[1] - began))
            self._changed.notify_all()
        if was != size:
            self.tell(
                "changed",
                f"{self.name}: pictures of {size[0]}x{size[1]} pixels now, {was[0]}x{was[1]} before; "
                f"shown as {canvas[0]}x{canvas[1]}",
            )
        return True

    def end(self) -> None:
        """Say that no frame follows: `pictures` gives what waits, and ends."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the first frame, so that `size` is known; return whether it has come within `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._canvas or self._ended or self._stopped, timeout=timeout)
            return self._canvas is not None

    @property
    def size(self) -> tuple[int, int]:  # type: ignore[override]
        """(width, height) of the first frame, for which it waits; raises `DataError` when there is none."""
        self.wait()
        if self._canvas is None:
            raise DataError(f"{self.name}: ended before its first frame")
        return self._canvas

    def pictures(self, start: float, end: float | None) -> Generator[LivePicture]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended or self._stopped)
                if self._stopped:
                    return
                pushed = self._waiting.popleft() if self._waiting else None
            if pushed is None:
                self.tell("ended", f"{self.name}: ended")
                return
            shown = self._clock.time(pushed.time, pushed.arrived)
            convert = partial(fit, pushed.image, self.size)
            yield LivePicture(shown, self._index, pushed.arrived, pushed.decoding, convert)
            self._index += 1

    def __repr__(self) -> str:
        return f"<PushSource {self.name!r} {len(self._waiting)} waiting, {self.dropped} dropped>"

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._waiting.clear()
            self._changed.notify_all()

    def close(self) -> None:
        self.stop()


def _now() -> tuple[float, float]:
    return time.monotonic(), time.perf_counter()


def _check(name: str, image: NDArray[np.uint8]) -> None:
    shape = getattr(image, "shape", None)
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        kind = f"{image.dtype} {shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise DataError(f"{name}: a frame is RGB uint8 (H, W, 3) or the bytes of a JPEG or PNG, not {kind}")
    if not image.size:
        raise DataError(f"{name}: a frame of {image.shape[1]}x{image.shape[0]} pixels has no picture")
    _refuse_large(name, image.shape[1], image.shape[0])


def _decoded(name: str, data: bytes | bytearray | memoryview) -> NDArray[np.uint8]:
    data = bytes(data)
    size = stated_size(data)
    if size is None:
        raise DataError(f"{name}: {len(data)} bytes that are no JPEG or PNG; send one whole picture a frame")
    _refuse_large(name, *size)
    if data.startswith(b"\xff\xd8") and b"\xff\xd9" not in data[2:]:
        raise DataError(
            f"{name}: a JPEG that is cut short ({len(data)} bytes); send one whole picture a frame"
        )
    try:
        # An orientation in EXIF is obeyed, as a browser does that shows the same picture.
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None:
        raise DataError(f"{name}: a picture of {len(data)} bytes is damaged; send it again")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _refuse_large(name: str, width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise DataError(
            f"{name}: a picture of {width}x{height} pixels is more than {MOST_PIXELS // 1_000_000} megapixels; send it smaller"
        )


def stated_size(data: bytes) -> tuple[int, int] | None:
    """Return the (width, height) that a PNG's or JPEG's header states; None for anything else.

    >>> stated_size(b"\\x89PNG\\r\\n\\x1a\\n" + b"\\0\\0\\0\\rIHDR" + b"\\0\\0\\1\\0" + b"\\0\\0\\0\\x80")
    (256, 128)
    """
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR" and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    if not data.startswith(b"\xff\xd8"):
        return None
    position = 2
    while position + 9 <= len(data):
        if data[position] != 0xFF:
            return None
        marker = data[position + 1]
        if marker == 0xFF:  # fill
            position += 1
        elif marker in _STARTS_OF_FRAME:
            height, width = struct.unpack(">HH", data[position + 5 : position + 9])
            return width, height
        elif marker == 0x01 or 0xD0 <= marker <= 0xD9:
            position += 2
        else:
            position += 2 + struct.unpack(">H", data[position + 2 : position + 4])[0]
    return None
