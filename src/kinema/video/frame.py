"""What every source of pictures has in common: `Frame`, `Source`, and sampling on a grid in time."""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from kinema.errors import UsageError

TIME_TOLERANCE = 0.002
"""Seconds by which a frame may be early and still count as on time: Matroska rounds to milliseconds."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a video.

    `image` is RGB uint8 `(H, W, 3)`, upright; `time` is in seconds since the first displayed frame, whose
    time is 0; `index` counts the displayed frames from 0.
    """

    image: NDArray[np.uint8]
    time: float
    index: int


class Picture(Protocol):
    """A frame whose pixels are not converted yet, so that a source can pass over it at no cost."""

    @property
    def time(self) -> float: ...

    @property
    def index(self) -> int: ...

    def image(self, size: tuple[int, int] | None) -> NDArray[np.uint8]:
        """Return RGB uint8 `(H, W, 3)`; `size` is (width, height), None for the source's own."""
        ...


class TimeSampler:
    """Samples frames that arrive in order on the grid t_k = start + k / fps, causally.

    The sample for t_k is the first frame with time >= t_k - 0.002 s: it can be used the moment it arrives, so
    a live stream samples exactly as the file that was recorded from it.

    >>> sampler = TimeSampler(start=0.0, fps=10.0)
    >>> [sampler.take(time) for time in (0.0, 0.04, 0.08, 0.12, 0.16, 0.2, 0.5)]
    [1, 0, 0, 1, 0, 1, 3]
    """

    def __init__(self, start: float, fps: float) -> None:
        """Raises `UsageError` unless `fps` (samples a second) is positive and finite."""
        check_rate(fps)
        self.start = start
        self.fps = fps
        self._next = 0

    @property
    def next_time(self) -> float:
        """The next grid point that no frame has reached yet, in seconds."""
        return self.start + self._next / self.fps

    def take(self, time: float) -> int:
        """Return how many grid points the frame at `time` (seconds) serves: 0: none, above 1: after a gap."""
        reached = math.floor((time - self.start + TIME_TOLERANCE) * self.fps + 1e-9) + 1
        if reached <= self._next:
            return 0
        count = reached - self._next
        self._next = reached
        return count


@dataclass(slots=True)
class _Wanted:
    """A frame to be yielded, whose pixels may still be on their way, and the frames since the one before it."""

    image: Callable[[], NDArray[np.uint8]]
    time: float
    index: int
    count: int
    passed: list[tuple[int, float]]

    def frames(self, seen: Callable[[int, float], None] | None) -> Iterator[Frame]:
        _tell(self.passed, seen)
        frame = Frame(self.image(), self.time, self.index)
        for _ in range(self.count):
            yield frame


def _tell(passed: list[tuple[int, float]], seen: Callable[[int, float], None] | None) -> None:
    if seen is not None:
        for index, time in passed:
            seen(index, time)


class Source(ABC):
    """A video as a sequence of `Frame`. A context manager; files and folders can be iterated again and again.

    `name`: what the user gave. `fps`: frames a second (the average where it varies), None when unknown.
    `size`: (width, height) as displayed. `duration` (seconds) and `frame_count`: as the container states
    them, None when it does not. `live`: frames come in real time and only once. `problems`: one line for each
    thing found wrong while decoding; complete after one whole pass.

    >>> with open_source("clip.mp4") as source:  # doctest: +SKIP
    ...     for frame in source.frames(start=2.0, end=4.0, fps=8.0, size=(224, 224)):
    ...         print(frame.time, frame.image.shape)
    """

    name: str
    fps: float | None
    size: tuple[int, int]
    duration: float | None
    frame_count: int | None
    live: bool
    _ahead = 0
    """Frames that are decoded while the pixels of earlier ones are converted in a thread of its own."""

    @abstractmethod
    def pictures(self, start: float, end: float | None) -> Generator[Picture]:
        """Yield in order at least every frame with start <= time < end (seconds), and maybe earlier ones."""

    @property
    def problems(self) -> list[str]:
        """One line for each thing found wrong so far."""
        return []

    @abstractmethod
    def close(self) -> None:
        """Release files and decoders. A file source can still be iterated afterwards: it opens again."""

    def __iter__(self) -> Iterator[Frame]:
        return self.frames()

    def frames(
        self,
        *,
        start: float = 0.0,
        end: float | None = None,
        fps: float | None = None,
        size: tuple[int, int] | None = None,
        seen: Callable[[int, float], None] | None = None,
    ) -> Iterator[Frame]:
        """Yield the frames with start <= time < end (seconds; both bounds are met 0.002 s early).

        `fps`: None for every frame, else samples a second on the grid of `TimeSampler`; a frame that is the
        first to reach several grid points is yielded once for each. `size`: (width, height) in pixels, None
        for the source's own; the pixels are exactly `resize(frame.image, size)`. Only the frames that are
        yielded are converted. `seen(index, time)` is called for every frame of the range, just before it is
        yielded or passed over.

        Raises `UsageError` for a range, rate or size that makes no sense, `DataError` when nothing can be
        decoded.
        """
        if not (math.isfinite(start) and start >= 0):
            raise UsageError(f"start must be 0 or more seconds, not {start}")
        if end is not None and not end > start:
            raise UsageError(f"end must be later than start, but start is {start} and end is {end}")
        if size is not None and (len(size) != 2 or min(size) < 1):
            raise UsageError(f"size must be (width, height) of at least one pixel, not {size}")
        sampler = None if fps is None else TimeSampler(start, fps)
        return self._sampled(start, end, sampler, size, seen)

    def _sampled(
        self,
        start: float,
        end: float | None,
        sampler: TimeSampler | None,
        size: tuple[int, int] | None,
        seen: Callable[[int, float], None] | None,
    ) -> Iterator[Frame]:
        waiting: deque[_Wanted] = deque()
        passed: list[tuple[int, float]] = []
        pool = ThreadPoolExecutor(1, "convert") if self._ahead else None
        with closing(self.pictures(start, end)) as pictures, pool or nullcontext():
            try:
                for picture in pictures:
                    time = picture.time
                    if end is not None and time >= end - TIME_TOLERANCE:
                        break
                    if time < start - TIME_TOLERANCE:
                        continue
                    passed.append((picture.index, time))
                    count = 1 if sampler is None else sampler.take(time)
                    if not count:
                        continue
                    image = pool.submit(picture.image, size).result if pool else partial(picture.image, size)
                    waiting.append(_Wanted(image, time, picture.index, count, passed))
                    passed = []
                    if len(waiting) > self._ahead:
                        yield from waiting.popleft().frames(seen)
                    full = end is not None and sampler is not None and sampler.next_time >= end - 1e-9
                    if full and seen is None:
                        break
            except Exception:
                # What was decoded before the fault is delivered first.
                while waiting:
                    yield from waiting.popleft().frames(seen)
                raise
            finally:
                if pool is not None and sys.exc_info()[0] is GeneratorExit:
                    pool.shutdown(cancel_futures=True)
            while waiting:
                yield from waiting.popleft().frames(seen)
            _tell(passed, seen)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        width, height = self.size
        rate = "unknown rate" if self.fps is None else f"{self.fps:g} fps"
        length = "unknown length" if self.duration is None else f"{self.duration:g} s"
        return f"<{type(self).__name__} {self.name!r} {width}x{height}, {rate}, {length}>"


def check_rate(fps: float) -> None:
    """Raise `UsageError` unless `fps` is a positive, finite number of frames a second."""
    if not (fps > 0 and math.isfinite(fps)):
        raise UsageError(f"fps must be a positive number of frames a second, not {fps}")
