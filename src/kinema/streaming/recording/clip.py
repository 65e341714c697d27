"""EventClip: the video of one event, written while the event goes on."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kinema.events import Event
from kinema.streaming.recording.frames import StoredFrame, fit
from kinema.video import Frame, VideoWriter

_TOLERANCE = 0.002  # seconds: two sums of the same times may differ in their last digits
_RATE_WHEN_UNKNOWN = 25.0


class EventClip:
    """Takes the frames of one event in order, from `pre` seconds before its start until `post` seconds after its end.

    A clip that would be longer than `longest` seconds holds its first ones and is `cut`. `start`, `end`: the times of the
    first and the last frame in it, None while there is none. `done`: no further frame belongs to it.

    The frame of the peak is kept from the rows, since it may be long past when the event ends.
    """

    def __init__(
        self, event: Event, path: Path, *, pre: float, post: float, longest: float, quality: int, preset: str
    ) -> None:
        self.event, self.path = event, path
        self.peak: tuple[float, StoredFrame] | None = None
        self._first = event.start - pre
        self._post, self._longest = post, longest
        self._quality, self._preset = quality, preset
        self._writer: VideoWriter | None = None
        self._next = 0
        self._reset()

    def _reset(self) -> None:
        self.start: float | None = None
        self.end: float | None = None
        self.frame_count = 0
        self.cut = False
        self.done = False

    @property
    def until(self) -> float:
        """The time after which no frame belongs to the clip, as far as is known."""
        longest = self._first + self._longest
        return min(self.event.end + self._post, longest) if self.event.ended else longest

    @property
    def next(self) -> int:
        """The number of the next frame that it wants."""
        return self._next

    @property
    def writing(self) -> bool:
        """Whether there is a file that is not whole yet."""
        return self._writer is not None

    def take(
        self, frames: Iterable[StoredFrame], *, safe: float = math.inf, at_most: int = sys.maxsize
    ) -> None:
        """Write the frames that belong to the clip, `at_most` so many, and none later than `safe`.

        Raises `KinemaError` when they cannot be written; the file is gone then, and `again` begins another.
        """
        for frame in frames:
            if self.done or at_most < 1 or frame.time > safe + _TOLERANCE:
                return
            if frame.number < self._next:
                continue
            if frame.time > self.until + _TOLERANCE:
                self.done = True
                self.cut = not self.event.ended or self.event.end + self._post > self.until + _TOLERANCE
                return
            self._next = frame.number + 1
            if frame.time >= self._first - _TOLERANCE:
                self._write(frame)
                at_most -= 1

    def begin(self, rate: float | None) -> None:
        """Begin the file, which appears when it is whole; `rate`: frames a second, about.

        Raises `KinemaError` when it cannot be made.
        """
        fps = rate if rate and 1 <= rate <= 240 else _RATE_WHEN_UNKNOWN
        writer = VideoWriter(
            self.path, round(fps * 100) / 100, quality=self._quality, preset=self._preset, threads=1
        )
        self._reset()
        self._writer = writer.__enter__()
        self._size: tuple[int, int] | None = None

    def finish(self) -> bool:
        """Put the file in its place and return True; False when there is no frame in it, and no file.

        Raises `KinemaError` when it cannot be written.
        """
        writer, self._writer = self._writer, None
        self.done = True
        if writer is None:
            return False
        if not self.frame_count:
            _abandon(writer)
            return False
        writer.__exit__(None, None, None)
        return True

    def abandon(self) -> None:
        """Give the file up; nothing of it stays."""
        writer, self._writer = self._writer, None
        if writer is not None:
            _abandon(writer)

    def again(self, number: int) -> None:
        """Start once more from the frame `number`, after a failure."""
        self.abandon()
        self._next = number
        self._reset()

    def record(self) -> dict[str, Any]:
        """Return the event and what the clip shows of it, ready for JSON."""
        clip = {
            "start": None if self.start is None else round(self.start, 6),
            "end": None if self.end is None else round(self.end, 6),
            "frames": self.frame_count,
            "cut": self.cut,
        }
        return {"event": self.event.to_dict(), "clip": clip}

    def _write(self, frame: StoredFrame) -> None:
        if self._writer is None:
            return
        image = frame.image()
        self._size = self._size or (image.shape[1], image.shape[0])
        self._writer.write(Frame(fit(image, self._size), frame.time, self.frame_count))
        if self.start is None:
            self.start = frame.time
        self.end = frame.time
        self.frame_count += 1


def _abandon(writer: VideoWriter) -> None:
    gone = RuntimeError("given up")
    try:
        writer.__exit__(RuntimeError, gone, None)
    except RuntimeError as error:
        if error is not gone:
            raise
