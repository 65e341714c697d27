"""A file or a folder as if it came from a camera."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing
from threading import Event

from kinema.errors import UsageError
from kinema.video.frame import Source
from kinema.video.live.pacing import Pacer
from kinema.video.live.source import LivePicture, LiveSource


class PacedSource(LiveSource):
    """Gives each picture of another source at `start + time / speed` of the wall clock; `arrived` is that moment.

    Who is late gets the pictures that are due at once, until it has caught up: none is dropped here. It closes the
    other source with itself.
    """

    def __init__(self, source: Source, speed: float = 1.0) -> None:
        """`speed`: 2 is twice as fast. Raises `UsageError` unless it is positive."""
        if not 0 < speed < float("inf"):
            raise UsageError(f"speed must be a positive number, not {speed}")
        self._source, self._speed, self._stopped = source, speed, Event()
        self.name, self.size = source.name, source.size
        self.fps = source.fps
        self.duration, self.frame_count = source.duration, source.frame_count

    @property
    def problems(self) -> list[str]:
        """Those of the other source."""
        return self._source.problems

    def pictures(self, start: float, end: float | None) -> Generator[LivePicture]:
        pacer = Pacer(self._speed, patience=float("inf"))
        with closing(self._source.pictures(start, end)) as pictures:
            while not self._stopped.is_set():
                began = time.perf_counter()
                picture = next(pictures, None)
                took = time.perf_counter() - began
                if picture is None:
                    self.tell("ended", f"{self.name}: ended")
                    return
                if picture.time < start:
                    due = time.monotonic()  # on the way from a keyframe: no one waits for these
                else:
                    due = pacer.wait(picture.time, self._stopped.wait)
                if self._stopped.is_set():
                    return
                yield LivePicture(picture.time, picture.index, due, took, picture.image)

    def stop(self) -> None:
        self._stopped.set()
        if isinstance(self._source, LiveSource):
            self._source.stop()

    def close(self) -> None:
        self._stopped.set()
        self._source.close()
