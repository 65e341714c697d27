"""Prediction: what a recognizer says of one video."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinema.errors import KinemaError
from kinema.video import Source


@dataclass(frozen=True)
class Job:
    """One stretch of one video to look at; seconds, None for the whole. `fps` is for frame folders only."""

    video: Path | Source
    start: float | None = None
    end: float | None = None
    fps: float | None = None


@dataclass
class TimelineChunk:
    """The next rows of one job's timeline, in order.

    `times` `(n,)` seconds of the pictures, `logits` `(n, K)` of the windows that end there, `full` `(n,)` whether a
    window had all of its pictures. `frame_times` `(m,)` and `frame_indices` `(m,)` name every frame that was decoded
    since the job's last chunk. `error` is set, and `last` is true, when the video cannot be read further; the last chunk
    lists in `problems` what was found damaged on the way.
    """

    job: int
    times: NDArray[np.float64]
    logits: NDArray[np.float32]
    full: NDArray[np.bool_]
    frame_times: NDArray[np.float64]
    frame_indices: NDArray[np.int64]
    last: bool = False
    error: KinemaError | None = None
    problems: list[str] = field(default_factory=list)


@dataclass
class Prediction:
    """A timeline of probabilities, and one answer for the whole video.

    `probabilities` `(n, K)` has one row a sampled time; `video_probabilities` `(K,)` is their mean over full windows
    (over the longest window where the video is shorter than one).
    """

    classes: list[str]
    times: NDArray[np.float64]
    probabilities: NDArray[np.float32]
    full: NDArray[np.bool_]

    @property
    def video_probabilities(self) -> NDArray[np.float32]:
        """Probabilities `(K,)` of the whole video."""
        return video_mean(self.probabilities, self.full)

    @property
    def label(self) -> str:
        """The most probable class of the whole video."""
        return self.classes[int(self.video_probabilities.argmax())]

    @property
    def confidence(self) -> float:
        """The probability of `label`."""
        return float(self.video_probabilities.max())


def video_mean(probabilities: NDArray[np.float32], full: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Average rows `(n, K)` over the full windows; the last row stands for a video shorter than one window."""
    chosen = probabilities[full] if full.any() else probabilities[-1:]
    mean: NDArray[np.float32] = chosen.mean(axis=0)
    return mean
