"""One label on its way through an event: a run, the event itself, and the gaps in it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kinema.events.gaps import ROUNDING
from kinema.events.rules import LabelRule

NOTHING = -1.0
"""The probability of a label at a row that supports none."""


@dataclass(slots=True)
class Track:
    """What is known of a label since the first row of a run: sums, not rows, so that days cost no more than seconds.

    `begun`: the run has become an event; `paused`: the newest row did not support it. `end`: the last row that did,
    `rows` their number, `sums` `(K,)` the sum of their smoothed probabilities. `id`, `shown_start` and `alert` are set when
    it begins.
    """

    place: int
    label: str
    rule: LabelRule
    start: float
    end: float
    sums: NDArray[np.float64]
    rows: int = 0
    peak: float = NOTHING
    peak_time: float = 0.0
    begun: bool = False
    paused: bool = False
    id: str = field(default="")
    shown_start: float = 0.0
    alert: bool = True

    def take(self, time: float, value: float, smoothed: NDArray[np.float32]) -> None:
        """Add a row that supports the label with probability `value`."""
        self.end, self.rows, self.paused = time, self.rows + 1, False
        self.sums += smoothed
        if value > self.peak:
            self.peak, self.peak_time = value, time

    @property
    def confirmed(self) -> bool:
        """Whether the run is long enough for an event."""
        long_enough = self.end - self.start >= self.rule.min_seconds - ROUNDING
        return long_enough and self.rows >= self.rule.consecutive

    def may_go_on(self, time: float) -> bool:
        """Whether a row at `time` may still take a paused event up again."""
        return time - self.end <= self.rule.merge_gap + ROUNDING
