"""When rows are so far apart that nothing is known of the time between them."""

from __future__ import annotations

from collections import deque
from statistics import median

LONGEST_GAP = 2.0
"""Seconds between two rows that are always bridged."""

_PERIODS, _REMEMBERED = 4, 9
ROUNDING = 1e-9
"""Seconds by which a time may be off: 0.3 - 0.1 is not 0.2."""


class GapWatch:
    """Says whether a stream was away between two rows: for more than `LONGEST_GAP` and more than four times the usual
    spacing, the median of the last nine that were not 0.

    So a camera that comes back after 10 s has been away, and one that gives a picture every 10 s has not: only its
    first gap, of which nothing is known yet, counts as one.
    """

    def __init__(self) -> None:
        self._last: float | None = None
        self._spacings: deque[float] = deque(maxlen=_REMEMBERED)

    def passed(self, time: float) -> bool:
        """Take the time of the next row in seconds; return whether the stream was away before it."""
        last, self._last = self._last, time
        if last is None or time <= last:
            return False
        spacing = time - last
        away = spacing > LONGEST_GAP + ROUNDING and spacing > self._bound() + ROUNDING
        self._spacings.append(spacing)
        return away

    def _bound(self) -> float:
        return _PERIODS * median(self._spacings) if self._spacings else 0.0
