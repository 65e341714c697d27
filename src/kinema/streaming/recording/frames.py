"""Frames that are kept for a while: JPEG in a ring that is bounded in time and in bytes."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import cv2
import numpy as np
from numpy.typing import NDArray

from kinema.errors import KinemaError
from kinema.video.jpeg import jpeg
from kinema.video.scaling import resize

_SAME_SHAPE = 0.02  # difference in aspect ratio that nobody sees


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """A frame as JPEG: `number` counts the frames of its source, `time` is in seconds."""

    number: int
    time: float
    jpeg: bytes

    def image(self) -> NDArray[np.uint8]:
        """Return the picture, RGB uint8 `(H, W, 3)`."""
        picture = cv2.imdecode(np.frombuffer(self.jpeg, np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise KinemaError(f"the frame at {self.time:g} s cannot be decoded again")
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), dtype=np.uint8)


class FrameRing:
    """The newest frames of one source, at most `limit` bytes of JPEG.

    >>> ring = FrameRing(limit=1_000_000)
    >>> for second in range(5):
    ...     _ = ring.append(float(second), np.zeros((48, 64, 3), np.uint8))
    >>> [frame.time for frame in ring.leave(before=3.0)], ring.nearest(3.4).time
    ([0.0, 1.0, 2.0], 3.0)
    """

    def __init__(self, limit: int, quality: int = 90) -> None:
        """`quality` of JPEG, 1 to 100."""
        self.limit, self.quality = limit, quality
        self.size = 0
        self.frames: deque[StoredFrame] = deque()
        self._count = 0

    def append(self, time: float, image: NDArray[np.uint8]) -> StoredFrame:
        """Store a picture, RGB uint8 `(H, W, 3)`; call `leave` afterwards."""
        frame = StoredFrame(self._count, time, jpeg(image, self.quality))
        self._count += 1
        self.frames.append(frame)
        self.size += len(frame.jpeg)
        return frame

    def leave(self, before: float) -> Iterator[StoredFrame]:
        """Take out and yield the frames earlier than `before`, and as many of the oldest as are too much for the limit."""
        while self.frames and (self.frames[0].time < before or self.size > self.limit):
            frame = self.frames.popleft()
            self.size -= len(frame.jpeg)
            yield frame

    def since(self, number: int) -> Iterator[StoredFrame]:
        """Yield the frames from `number` on that are still here."""
        if self.frames:
            yield from islice(self.frames, max(0, number - self.frames[0].number), None)

    def nearest(self, time: float) -> StoredFrame | None:
        """Return the frame that is nearest in time, None when there is none."""
        if not self.frames:
            return None
        place = bisect_left(self.frames, time, key=lambda frame: frame.time)
        beside = [self.frames[k] for k in (place - 1, place) if 0 <= k < len(self.frames)]
        return min(beside, key=lambda frame: abs(frame.time - time))

    @property
    def rate(self) -> float | None:
        """Frames a second, on average over what is here; None as long as that cannot be said."""
        if len(self.frames) < 2 or self.frames[-1].time <= self.frames[0].time:
            return None
        return (len(self.frames) - 1) / (self.frames[-1].time - self.frames[0].time)


def fit(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a picture, RGB uint8 `(H, W, 3)`, as large as fits into `size` = (width, height), on black."""
    width, height = size
    if (image.shape[1], image.shape[0]) == size:
        return image
    shape = image.shape[1] / image.shape[0]
    if abs(shape * height / width - 1) < _SAME_SHAPE:
        return resize(image, size)
    inner = (
        (width, max(1, round(width / shape)))
        if shape > width / height
        else (max(1, round(height * shape)), height)
    )
    out = np.zeros((height, width, 3), np.uint8)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    out[top : top + inner[1], left : left + inner[0]] = resize(image, inner)
    return out
