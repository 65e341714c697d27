"""ScoreCurve: what a recognizer says of every scored moment of a video, and where its shots end."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

BIN = 1.0
"""Seconds of video that one row of `ScoreCurve.features` averages."""


@dataclass(frozen=True)
class Shot:
    """A stretch of video without a cut: the frames with start <= time < end (seconds)."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.end - self.start


@dataclass(frozen=True)
class ScoreCurve:
    """The scores of one video for K names.

    `times` `(n,)`: the seconds, ascending, that each row speaks of: the middle of the window that was seen. `scores` `(n, K)`:
    calibrated probabilities. `cuts`: times of the first frame of each new shot. `end`: when the last frame's showing ends.
    `fps`: frames a second of the video, None when unknown. `features` `(m, D)`: a short description of each `BIN` seconds, by
    which clips are told apart. `window`: seconds from the first to the last picture that a row is about, 0 for single pictures.
    `problems`: a line for each thing found damaged.
    """

    classes: list[str]
    times: NDArray[np.float64]
    scores: NDArray[np.float32]
    cuts: NDArray[np.float64]
    end: float
    fps: float | None
    features: NDArray[np.float32]
    window: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def shots(self) -> list[Shot]:
        """The shots in order; one where there is no cut."""
        edges = [0.0, *self.cuts.tolist(), self.end]
        return [Shot(a, b) for a, b in pairwise(edges)]

    @property
    def shot_numbers(self) -> NDArray[np.int64]:
        """Which shot each row is in `(n,)`, counted from 0."""
        return np.searchsorted(self.cuts, self.times + 1e-6, side="right").astype(np.int64)

    def whole(self) -> ScoreCurve:
        """Return the curve of the rows that are about whole windows; of a shot shorter than a window, its last row.

        Windows begin anew behind a cut. What a recognizer says of the first pictures of a shot it says as if nothing moved.
        """
        if self.window <= 0 or not len(self.times):
            return self
        shot = self.shot_numbers
        starts = np.array([0.0, *self.cuts])
        good = self.times >= starts[shot] + self.window / 2 - 1e-6
        has_good = np.zeros(len(starts), np.bool_)
        has_good[shot[good]] = True
        last = np.append(shot[1:] != shot[:-1], True)
        good |= last & ~has_good[shot]
        return replace(self, times=self.times[good], scores=self.scores[good])

    def feature(self, start: float, end: float) -> NDArray[np.float32]:
        """Return the mean description `(D,)` of the seconds from `start` to `end`."""
        if not len(self.features):
            return np.zeros(self.features.shape[1:], np.float32)
        last = len(self.features) - 1
        first = min(last, int(start / BIN))
        mean: NDArray[np.float32] = self.features[first : max(first, min(last, int(end / BIN))) + 1].mean(
            axis=0
        )
        return mean

    def to_bytes(self) -> bytes:
        """Return the curve as a compressed archive of arrays, without any pickle."""
        out = io.BytesIO()
        np.savez_compressed(
            out,
            classes=np.array(self.classes, dtype=np.str_),
            times=self.times,
            scores=self.scores,
            cuts=self.cuts,
            numbers=np.array([self.end, -1.0 if self.fps is None else self.fps, self.window]),
            features=self.features.astype(np.float16),
            problems=np.array(self.problems, dtype=np.str_),
        )
        return out.getvalue()

    @classmethod
    def from_bytes(cls, stored: bytes) -> ScoreCurve:
        """Return what `to_bytes` gave. Raises `ValueError` (and `KeyError`) for anything else."""
        with np.load(io.BytesIO(stored), allow_pickle=False) as kept:
            end, fps, window = kept["numbers"].tolist()
            return cls(
                [str(name) for name in kept["classes"]],
                kept["times"],
                kept["scores"],
                kept["cuts"],
                end,
                None if fps < 0 else fps,
                kept["features"].astype(np.float32),
                window,
                [str(line) for line in kept["problems"]],
            )
