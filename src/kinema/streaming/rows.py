"""What an engine tells: a row for each sampled moment, and notices of what happens to sources and sinks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

NoticeKind = Literal["source", "lost", "back", "changed", "ended", "failed", "slow", "sink"]


@dataclass(frozen=True, slots=True)
class Row:
    """One sampled moment of one source.

    `source` counts the engine's sources from 0, `name` is what the user gave. `time`: seconds from the source's first
    frame. `probabilities` `(K,)` are calibrated, `smoothed` `(K,)` what the event rules see. `full`: whether the window
    had all of its pictures; `known`: whether the rules accept the row (window full, no unknown class); `energy`:
    -T log sum exp(logits / T).

    `captured`: `time.monotonic()` when the frame's data arrived. Seconds: `waited` in the queue, `decoding` of the frame,
    `backbone` and `head` for this picture, `latency` from capture to result.
    """

    source: int
    name: str
    time: float
    probabilities: NDArray[np.float32]
    smoothed: NDArray[np.float32]
    full: bool
    known: bool
    energy: float
    captured: float
    waited: float
    decoding: float
    backbone: float
    head: float
    latency: float

    @property
    def best(self) -> int:
        """The index of the most probable class, smoothed."""
        return int(self.smoothed.argmax())


@dataclass(frozen=True, slots=True)
class View:
    """A frame for people to look at: RGB uint8 `(H, W, 3)` of the source's index, `time` in seconds, `captured` as in `Row`."""

    source: int
    time: float
    captured: float
    image: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a user wants to know once: one line of `text`, which names the source or sink and the mend."""

    kind: NoticeKind
    name: str
    text: str
    time: float
    """`time.time()` when it happened."""
