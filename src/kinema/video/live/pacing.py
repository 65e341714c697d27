"""Showing pictures at their own pace: a file as if it came from a camera, and streams that arrive in pieces."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pacer:
    """Says when the picture of a time is due by the wall clock: the first at once, each next as much later as it is
    shown later, divided by `speed`.

    A picture that is late moves nothing, so that those after it catch up; one that is more than `patience` seconds
    late (a stream that stood still) makes all that follow as late.
    """

    def __init__(
        self, speed: float = 1.0, patience: float = 1.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._speed, self._patience, self._now = speed, patience, now
        self._origin: float | None = None

    def due(self, shown: float) -> float:
        """Return when the picture at `shown` seconds is due, on the clock of `time.monotonic`."""
        now = self._now()
        if self._origin is None:
            self._origin = now - shown / self._speed
        due = self._origin + shown / self._speed
        if now - due > self._patience:
            self._origin += now - due
            due = now
        return due

    def wait(self, shown: float, rest: Callable[[float], object]) -> float:
        """Wait with `rest(seconds)` until the picture is due; return when it was."""
        due = self.due(shown)
        ahead = due - self._now()
        if ahead > 0:
            rest(ahead)
        return due
