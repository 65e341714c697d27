"""A labelled video with its rows of probabilities, and the events that rules find in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinema.evaluation.events.scoring import EventScores, Labelled, score_events
from kinema.events import Event, EventDetector, EventRules

_EDGE = 0.25
"""Seconds by which a segment may miss the ends of a video that it fills: a range is often given to a tenth or two."""


@dataclass(frozen=True)
class VideoRows:
    """The rows of one whole video: `times` `(n,)` seconds, calibrated `probabilities` `(n, K)`, `energies` `(n,)`, and
    whether each row's window was `full` `(n,)`; `duration` in seconds."""

    times: NDArray[np.float64]
    probabilities: NDArray[np.float32]
    energies: NDArray[np.float32]
    full: NDArray[np.bool_]
    duration: float


@dataclass(frozen=True)
class LabelledVideo:
    """A video, its rows, and what is known of it: the `truth` segments that count, its `group` and `split`."""

    name: str
    rows: VideoRows
    truth: list[Labelled]
    group: str
    split: str = "test"
    path: Path = field(default_factory=Path)

    @property
    def trimmed(self) -> bool:
        """Whether the whole video is one segment, as in a set of clips that were cut to the action."""
        if len(self.truth) != 1:
            return False
        _, start, end = self.truth[0]
        return start <= _EDGE and end >= self.rows.duration - _EDGE


@dataclass(frozen=True)
class FoundEvents:
    """The events of each of some videos, and for each the second at which a live system would have told of it."""

    events: list[list[Event]]
    announced: list[list[float]]


def find_events(videos: Sequence[LabelledVideo], classes: Sequence[str], rules: EventRules) -> FoundEvents:
    """Push the rows of each video through an `EventDetector`, as a live system does.

    An event is announced at the row that confirms it, which is later than its start by `min_seconds` and `lag`.
    """
    found = FoundEvents([], [])
    for video in videos:
        events, announced = _events_of(video, classes, rules)
        found.events.append(events)
        found.announced.append(announced)
    return found


def score_videos(
    videos: Sequence[LabelledVideo], found: FoundEvents, labels: Sequence[str], **settings: Any
) -> EventScores:
    """Return `score_events` of what was found in these videos."""
    return score_events(
        found.events,
        [video.truth for video in videos],
        [video.rows.duration for video in videos],
        labels=labels,
        groups=[video.group for video in videos],
        announced=found.announced,
        **settings,
    )


def _events_of(
    video: LabelledVideo, classes: Sequence[str], rules: EventRules
) -> tuple[list[Event], list[float]]:
    detector = EventDetector(classes, rules, video.name)
    rows = video.rows
    told: dict[str, float] = {}
    ended: list[Event] = []
    for i, time in enumerate(rows.times.tolist()):
        for event in detector.push(
            time, rows.probabilities[i], energy=float(rows.energies[i]), full=bool(rows.full[i])
        ):
            if event.ended:
                ended.append(event)
            else:
                told[event.id] = time
    ended += detector.finish(rows.duration)
    ended.sort(key=lambda event: (event.start, event.label))
    return ended, [told[event.id] for event in ended]
