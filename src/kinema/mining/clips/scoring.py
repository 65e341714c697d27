"""From videos to score curves: one decoding pass each, pictures of several videos through one model, windows within shots."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinema.errors import DataError, KinemaError
from kinema.mining.clips.curve import ScoreCurve
from kinema.mining.clips.describing import Description
from kinema.mining.clips.scorers import Scorer
from kinema.mining.clips.watched import WatchedVideo
from kinema.models.prediction import Job
from kinema.models.timeline import FeatureChunk, embed_jobs
from kinema.video import TIME_TOLERANCE

KEPT_EVERY = 120.0
"""Seconds of video after which what is known of it is handed out, so that a call that is stopped goes on from there."""
_NEW = 0.1  # share by which it must have grown by then: it is kept whole, and a long video is not kept over and over
_ROWS = 48  # samples in one call of a temporal head, which costs the samples before its first window as well
_SAME = 1e-6

Told = Callable[[int, float], None]
Kept = Callable[[int, ScoreCurve], None]


@dataclass(frozen=True)
class Unscored:
    """A video to be scored: its `path`, the rate of a frame folder, and each how-many-th frame is looked at.

    `every`: None for the recognizer's own rate. A recognizer that sees windows keeps its rate, on which its windows depend;
    of its rows, one for each `every` frames is kept. `known`: the first part of its curve, as `score_videos` handed it out.
    """

    path: Path
    fps: float | None = None
    every: int | None = None
    known: ScoreCurve | None = None


def score_videos(
    scorer: Scorer,
    videos: Sequence[Unscored],
    *,
    decoders: int = 2,
    batch_size: int = 16,
    told: Told | None = None,
    kept: Kept | None = None,
) -> Iterator[tuple[int, ScoreCurve | KinemaError]]:
    """Yield the number of each video with its curve, as they are finished, or with why it could not be read.

    `decoders` videos are decoded side by side. `told(number, share)` hears how far a video is; `kept(number, curve)` gets the
    curve so far, whose `end` is its last sample, every `KEPT_EVERY` seconds of video, of long ones whenever it has grown by a
    tenth. A recognizer of windows begins anew at every cut, so that no score is about two shots; its row stands for the
    middle of what it saw.
    """
    alone = None if len(videos) < max(2, decoders) else 1
    watched = [
        WatchedVideo(video.path, fps=video.fps, every=video.every if scorer.single else None, threads=alone)
        for video in videos
    ]
    making: dict[int, _Making] = {}
    chunks = embed_jobs(
        [Job(source, _begin(scorer, video)) for source, video in zip(watched, videos, strict=True)],
        scorer.spec,
        scorer.follower.embed,
        batch_size=batch_size,
        decoders=decoders,
        at_a_time=scorer.follower.at_a_time,
    )
    try:
        for chunk in chunks:
            source = watched[chunk.job]
            if chunk.error is not None:
                making.pop(chunk.job, None)
                source.close()
                yield chunk.job, chunk.error
                continue
            if chunk.job not in making:
                making[chunk.job] = _Making(scorer, source, videos[chunk.job])
            one = making[chunk.job]
            one.take(chunk)
            if told and len(chunk.times) and source.duration:
                told(chunk.job, min(1.0, float(chunk.times[-1]) / source.duration))
            if (
                kept
                and not chunk.last
                and one.last >= one.handed_out + max(KEPT_EVERY, _NEW * one.handed_out)
            ):
                one.handed_out = one.last
                kept(chunk.job, one.so_far())
            if chunk.last:
                del making[chunk.job]
                try:
                    curve = one.curve()
                except KinemaError as error:
                    yield chunk.job, error
                else:
                    yield chunk.job, curve
    finally:
        chunks.close()  # type: ignore[attr-defined]  # a generator: its threads end now
        for source in watched:
            source.close()


def _begin(scorer: Scorer, video: Unscored) -> float | None:
    """Return from when a video is decoded: where a part is known, so early that the first new window is whole."""
    known, spec = video.known, scorer.spec
    if known is None:
        return None
    if scorer.single and video.every is not None:
        return known.end
    shot = float(known.cuts[-1]) if len(known.cuts) else 0.0
    # On the grid of the samples; the first picture of some specs lacks those before it, hence one more than a window.
    return math.floor((max(shot, known.end - spec.span) + TIME_TOLERANCE) * spec.fps + 1e-9) / spec.fps


class _Making:
    """One video's curve on its way: `last`, the time of the last sample scored, and `handed_out`, that of when it was kept."""

    def __init__(self, scorer: Scorer, source: WatchedVideo, video: Unscored) -> None:
        self.scorer, self.source, self.every = scorer, source, video.every
        known = video.known
        self.last = self.handed_out = self._past = -1.0 if known is None else known.end
        self._times = [] if known is None else [known.times]
        self._scores = [] if known is None else [known.scores]
        self._known_cuts = np.zeros(0) if known is None else known.cuts
        self._problems = [] if known is None else list(known.problems)
        self._description = Description(None if known is None else known.features)
        self._number = self._numbers(np.array([self.last]))[0]
        self._window = (scorer.spec.frames - 1) / scorer.spec.fps
        self._waiting: list[tuple[NDArray[np.float64], NDArray[Any]]] = []
        self._shot, self._state = -1.0, None

    def take(self, chunk: FeatureChunk) -> None:
        """Take the next samples; what lies before a moment where cuts are settled is scored."""
        if len(chunk.times):
            new = chunk.times > self._past + _SAME
            if new.any():
                self._description.add(chunk.times[new], chunk.features[new])
            self._waiting.append((chunk.times, chunk.features))
        self._problems += chunk.problems
        if chunk.last or sum(len(times) for times, _ in self._waiting) >= _ROWS:
            self._advance(float("inf") if chunk.last else self.source.finder.settled)

    def so_far(self) -> ScoreCurve:
        """Return the curve up to the last sample scored, the time of which is its end."""
        return self._joined(self.last, self._cuts[self._cuts <= self.last + _SAME])

    def curve(self) -> ScoreCurve:
        """Return the whole curve. Raises `DataError` when nothing was decoded."""
        if not self._times:
            raise DataError(
                f"{self.source.name}: no frame could be decoded; leave it out, or encode it again"
            )
        return self._joined(max(self.source.end, self.last), self._cuts)

    def _joined(self, end: float, cuts: NDArray[np.float64]) -> ScoreCurve:
        return ScoreCurve(
            self.scorer.classes,
            np.concatenate(self._times),
            np.concatenate(self._scores),
            cuts,
            end,
            self.source.fps,
            self._description.rows(),
            self._window,
            list(dict.fromkeys(self._problems)),
        )

    @property
    def _cuts(self) -> NDArray[np.float64]:
        found = [cut for cut in self.source.finder.cuts if cut > self._past + _SAME]
        return np.concatenate([self._known_cuts, found])

    def _advance(self, settled: float) -> None:
        if not self._waiting:
            return
        times = np.concatenate([part for part, _ in self._waiting])
        samples = np.concatenate([part for _, part in self._waiting])
        count = int(np.searchsorted(times, settled))
        self._waiting = [(times[count:], samples[count:])] if count < len(times) else []
        times, samples = times[:count], samples[:count]
        cuts = self._cuts
        shot_of = np.searchsorted(cuts, times + _SAME)
        for number in np.unique(shot_of):
            inside = shot_of == number
            self._score(times[inside], samples[inside], float(cuts[number - 1]) if number else 0.0)

    def _score(self, times: NDArray[np.float64], samples: NDArray[Any], shot: float) -> None:
        """Score samples of one shot, which begins at `shot` seconds."""
        if shot != self._shot:
            self._shot, self._state = shot, None
        logits, self._state = self.scorer.follower.advance(samples, self._state)
        wanted = (times > self._past + _SAME) & self._due(times)
        self.last = max(self.last, float(times[-1]))
        if wanted.any():
            seen_from = np.maximum(times - self._window, shot) if self._window else times
            self._times.append(((times + seen_from) / 2)[wanted])
            self._scores.append(self.scorer.probabilities(logits)[wanted])

    def _due(self, times: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which rows are kept: all, or one for each `every` frames of a recognizer that has its own rate."""
        if self.every is None or self.scorer.single:
            return np.ones(len(times), np.bool_)
        numbers = self._numbers(times)
        due: NDArray[np.bool_] = np.diff(numbers, prepend=self._number) > 0
        self._number = max(self._number, float(numbers[-1]))
        return due

    def _numbers(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return which `every` frames of the video each moment lies in; -1 before the first."""
        rate = (self.source.fps or 25.0) / (self.every or 1)
        return np.where(times < 0, -1.0, np.floor(times * rate + _SAME))
