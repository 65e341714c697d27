"""Causal smoothing of rows of probabilities by time, since rows need not be evenly spaced."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kinema.errors import UsageError
from kinema.events.gaps import ROUNDING, GapWatch
from kinema.events.rules import EventRules

_MOST_ROWS = 1024


class Smoother:
    """Smooths the rows of one stream as `rules` say; each result depends on this row and earlier ones only.

    - `exponential`: s += (1 - exp(-dt / smoothing_seconds)) (row - s), with dt the seconds since the row before. Two
      rows of one time: the second adds nothing.
    - `median`: of each class over the rows that are at most `smoothing_seconds` old (the newest 1024 at most), the mean
      of the two middle ones where their number is even. The medians of several classes need not sum to 1 and are
      not made to: a threshold is about the class's own probability, and at a change of class all of them may be near 0.
    - `none`, and a `smoothing_seconds` of 0: the row itself.

    The first row starts it, and so does the first after a gap (`GapWatch`).
    """

    def __init__(self, rules: EventRules, classes: Sequence[str]) -> None:
        self._seconds = rules.smoothing_seconds
        self._kind = rules.smoothing if self._seconds else "none"
        self._count = len(classes)
        self._gaps = GapWatch()
        self._time = -math.inf
        self._state: NDArray[np.float64] | None = None
        self._recent: deque[tuple[float, NDArray[np.float32]]] = deque(maxlen=_MOST_ROWS)

    def push(self, time: float, row: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take the next row `(K,)`, finite and at `time` seconds; return the smoothed one `(K,)`, an array of its own.

        Raises `UsageError` for a row of another length or a time before the last.
        """
        row = np.array(row, np.float32)
        check_row(row, self._count)
        if not time >= self._time:
            raise UsageError(f"row at {time:g} s after one at {self._time:g} s: give rows in order of time")
        if self._gaps.passed(time):
            self.reset()
        since, self._time = time - self._time, time
        if self._kind == "exponential":
            return self._exponential(since, row)
        return self._median(time, row) if self._kind == "median" else row

    def reset(self) -> None:
        """Forget the rows so far; the next one starts anew."""
        self._state = None
        self._recent.clear()

    def _exponential(self, since: float, row: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._state is None:
            self._state = row.astype(np.float64)
        else:
            self._state += -math.expm1(-since / self._seconds) * (row - self._state)
        return self._state.astype(np.float32)

    def _median(self, time: float, row: NDArray[np.float32]) -> NDArray[np.float32]:
        recent = self._recent
        recent.append((time, row))
        while time - recent[0][0] > self._seconds + ROUNDING:
            recent.popleft()
        if len(recent) == 1:
            return row
        ordered = np.sort(np.stack([values for _, values in recent]), axis=0)
        middle = len(recent) // 2
        if len(recent) % 2:
            return ordered[middle].copy()
        halves: NDArray[np.float32] = (ordered[middle - 1] + ordered[middle]) * np.float32(0.5)
        return halves


def check_row(row: NDArray[np.float32], count: int) -> None:
    """Raise `UsageError` unless `row` is `(count,)`."""
    if row.shape != (count,):
        raise UsageError(f"a row of probabilities of shape {row.shape}: give one for each of {count} classes")
