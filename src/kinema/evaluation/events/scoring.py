"""Found events against labelled segments: what is counted, of each video and label."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinema.data.wording import natural_key
from kinema.errors import DataError
from kinema.evaluation.events.matching import Spans, match, pairs_of
from kinema.events import Event

TIOUS = (0.3, 0.4, 0.5, 0.6, 0.7)
"""THUMOS14's thresholds of temporal IoU; 0.3, 0.5 and 0.7 are shown, and mAP is also averaged over all five."""
MAIN_TIOU = 0.5

Labelled = tuple[str, float, float]
"""A labelled segment: label, start and end in seconds of the video."""


@dataclass(frozen=True)
class Judged:
    """A found event: `matched` is the number of its segment in the video's truth at `MAIN_TIOU` (None: not right),
    `tiou` its best with a segment of its label, `alarm` whether it touches none of them: a false alarm. `announced`:
    the second at which a live system would have told of it, None where nobody noted it."""

    video: int
    event: Event
    matched: int | None
    tiou: float
    alarm: bool
    announced: float | None


@dataclass(frozen=True)
class Awaited:
    """A labelled segment: `matched` says whether an event was right at `MAIN_TIOU`, `detected` whether any event of its
    label touches it, `delay` the seconds from its start to the first announcement (0: an event stood already)."""

    video: int
    label: str
    start: float
    end: float
    matched: bool
    detected: bool
    delay: float | None


@dataclass(frozen=True)
class EventScores:
    """Counts of V videos and L labels, from which every number follows.

    `found`, `truth` `(V, L)`: events and segments. `hits` `(T, V, L)`: right events at each of `thresholds`. `alarms`
    `(V, L)`: events that touch no segment of their label; `quiet` `(V, L)`: seconds of the video without the label.
    `detected` `(V, L)`: segments that an event of their label touches. `ranked`: for each label the videos `(n,)`, the
    scores (`Event.peak`) `(n,)` and the hits `(T, n)` of its events. `durations` `(V,)` seconds, `groups` `(V,)`.
    """

    labels: list[str]
    thresholds: tuple[float, ...]
    durations: NDArray[np.float64]
    groups: NDArray[np.str_]
    found: NDArray[np.int64]
    truth: NDArray[np.int64]
    hits: NDArray[np.int64]
    alarms: NDArray[np.int64]
    quiet: NDArray[np.float64]
    detected: NDArray[np.int64]
    ranked: list[tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]]
    judged: list[Judged]
    awaited: list[Awaited]

    def at(self, threshold: float) -> NDArray[np.int64]:
        """Return the right events `(V, L)` at a threshold of temporal IoU."""
        return np.asarray(self.hits[self.thresholds.index(threshold)])


def score_events(
    found: Sequence[Sequence[Event]],
    truth: Sequence[Sequence[Labelled]],
    durations: Sequence[float],
    *,
    labels: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    announced: Sequence[Sequence[float]] | None = None,
    thresholds: Sequence[float] = TIOUS,
) -> EventScores:
    """Count how the events found in each video agree with its labelled segments, label by label.

    - `found`, `truth`, `durations`: an entry a video: its events, its segments `(label, start, end)`, its seconds. A video
      may have no segment: only false alarms can happen in it. Segments may overlap, of one label or of several.
    - `labels`: those that count (default: all there are); segments of others, a background say, are passed over.
    - `groups`: what belongs together in the bootstrap (subjects, cameras); default: each video alone.
    - `announced`: for each event of each video the second at which a live system tells of it; without, no delays.

    An event is right at a threshold where `match` gives it a segment. A *false alarm* is an event that shares no moment
    with any segment of its label; an event that shares one and is not right (too long, too short, a second one) lowers
    precision and is no false alarm.

    Raises `DataError` for lists of different lengths, a segment without length or a video without duration.
    """
    count = len(durations)
    for name, rows in (("found", found), ("truth", truth), ("groups", groups), ("announced", announced)):
        if rows is not None and len(rows) != count:
            raise DataError(f"events of {count} videos: {name} has {len(rows)} entries; give one a video")
    for video, (seconds, segments) in enumerate(zip(durations, truth, strict=True)):
        if not (0 < seconds < math.inf):
            raise DataError(f"video {video} lasts {seconds} s: give seconds above 0")
        for label, start, end in segments:
            if not (math.isfinite(start) and start < end < math.inf):
                raise DataError(
                    f"video {video}: segment '{label}' from {start} to {end} s: give an end after the start"
                )
    names = _labels(found, truth) if labels is None else list(labels)
    shape = count, len(names)
    tables = {name: np.zeros(shape, np.int64) for name in ("found", "truth", "alarms", "detected")}
    hits = np.zeros((len(thresholds), *shape), np.int64)
    quiet = np.zeros(shape)
    ranked, judged, awaited = [], list[Judged](), list[Awaited]()
    for column, label in enumerate(names):
        mine = _Label(label, found, truth, announced, thresholds)
        judged += mine.judged
        awaited += mine.awaited
        for name, videos in (
            ("found", mine.events.video),
            ("truth", mine.segments.video),
            ("alarms", mine.events.video[mine.alarm]),
            ("detected", mine.segments.video[mine.detected]),
        ):
            np.add.at(tables[name][:, column], videos, 1)
        for place, right in enumerate(mine.hits):
            np.add.at(hits[place, :, column], mine.events.video[right], 1)
        quiet[:, column] = [quiet_seconds(label, *pair) for pair in zip(truth, durations, strict=True)]
        ranked.append((mine.events.video, mine.events.score, mine.hits))
    return EventScores(
        labels=names,
        thresholds=tuple(thresholds),
        durations=np.asarray(durations, np.float64),
        groups=np.array([str(i) for i in range(count)] if groups is None else list(groups), dtype=np.str_),
        **tables,
        hits=hits,
        quiet=quiet,
        ranked=ranked,
        judged=sorted(judged, key=lambda one: (one.video, one.event.start)),
        awaited=sorted(awaited, key=lambda one: (one.video, one.start)),
    )


class _Label:
    """One label's events and segments, matched."""

    def __init__(
        self,
        label: str,
        found: Sequence[Sequence[Event]],
        truth: Sequence[Sequence[Labelled]],
        announced: Sequence[Sequence[float]] | None,
        thresholds: Sequence[float],
    ) -> None:
        own = [
            (video, place, event)
            for video, events in enumerate(found)
            for place, event in enumerate(events)
            if event.label == label
        ]
        segments = [
            (video, number, segment)
            for video, part in enumerate(truth)
            for number, segment in enumerate(part)
            if segment[0] == label
        ]
        self.events = Spans.of([(video, event.start, event.end, event.peak) for video, _, event in own])
        self.segments = Spans.of([(video, start, end, 0.0) for video, _, (_, start, end) in segments])
        pairs = pairs_of(self.events, self.segments)
        self.hits = np.zeros((len(thresholds), len(own)), np.bool_)
        for place, threshold in enumerate(thresholds):
            self.hits[place, list(match(pairs, self.events.score, threshold))] = True
        self.alarm = np.ones(len(own), np.bool_)
        self.alarm[pairs.found[pairs.touch]] = False
        self.detected = np.zeros(len(segments), np.bool_)
        self.detected[pairs.truth[pairs.touch]] = True
        main = match(pairs, self.events.score, MAIN_TIOU)
        best = np.zeros(len(own))
        np.maximum.at(best, pairs.found, pairs.tiou)
        told = [None if announced is None else float(announced[video][place]) for video, place, _ in own]
        self.judged = [
            Judged(
                video,
                event,
                segments[main[i]][1] if i in main else None,
                float(best[i]),
                bool(self.alarm[i]),
                told[i],
            )
            for i, (video, _, event) in enumerate(own)
        ]
        first = np.full(len(segments), math.inf)
        touching = np.flatnonzero(pairs.touch)
        for i, j in zip(pairs.found[touching].tolist(), pairs.truth[touching].tolist(), strict=True):
            moment = told[i]
            if moment is not None:
                first[j] = min(first[j], moment)
        matched = set(main.values())
        self.awaited = [
            Awaited(
                video,
                label,
                start,
                end,
                i in matched,
                bool(self.detected[i]),
                max(0.0, float(first[i]) - start) if math.isfinite(first[i]) else None,
            )
            for i, (video, _, (_, start, end)) in enumerate(segments)
        ]


def _labels(found: Sequence[Sequence[Event]], truth: Sequence[Sequence[Labelled]]) -> list[str]:
    names = {event.label for events in found for event in events}
    return sorted(names | {segment[0] for part in truth for segment in part}, key=natural_key)


def quiet_seconds(label: str, segments: Sequence[Labelled], duration: float) -> float:
    """Return the seconds of a video that no segment of the label holds."""
    covered = reached = 0.0
    for _, start, end in sorted(segment for segment in segments if segment[0] == label):
        start, end = max(start, reached), min(end, duration)
        if end > start:
            covered += end - start
            reached = end
    return max(0.0, duration - covered)
