"""Many settings of event rules on the same rows: what the detector would find, computed from runs of rows.

The detector itself takes a row at a time, as a camera gives them. Here a run of rows is one step, so that thousands of
settings take seconds; tests/evaluation/test_event_grid.py compares the two event by event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kinema.evaluation.events.matching import Spans, match, pairs_of
from kinema.evaluation.events.scoring import MAIN_TIOU, quiet_seconds
from kinema.evaluation.events.videos import LabelledVideo
from kinema.events import EventDetector, EventRules
from kinema.events.gaps import ROUNDING, GapWatch

_SHORTEST = 0.001  # the detector's shortest event
_NOTHING = -1.0  # of a row that supports no label
HOUR = 3600.0


@dataclass(frozen=True)
class Counts:
    """What a setting gives over all labels: right events at tIoU 0.5, events, segments, false alarms, and their rate."""

    right: int
    found: int
    truth: int
    alarms: int
    per_hour: float

    @property
    def f1(self) -> float:
        return 2 * self.right / (self.found + self.truth) if self.found + self.truth else 0.0


class RuleSearch:
    """Tries rules on the rows of some videos. `rules` give the labels and what is unknown; every `try_rules` may change
    the rest, with one rule for all labels."""

    def __init__(self, videos: Sequence[LabelledVideo], classes: Sequence[str], rules: EventRules) -> None:
        self._videos, self._classes, self._rules = list(videos), list(classes), rules
        self.labels = rules.alerting(self._classes)
        self._variants: dict[tuple[str, float, bool], _Variant] = {}
        self._truth = [
            Spans.of(
                [(i, start, end, 0.0) for i, v in enumerate(videos) for name, start, end in v.truth if name == label]
            )
            for label in self.labels
        ]  # fmt: skip
        self._quiet = [self._quiet_hours(label) for label in self.labels]

    @property
    def segments(self) -> int:
        """How many segments of the labels there are."""
        return sum(len(spans) for spans in self._truth)

    @property
    def quiet_hours(self) -> float:
        """Hours of video without a label, the shortest of all labels that have any."""
        return min((hours for hours in self._quiet if hours), default=0.0)

    def try_rules(self, rules: EventRules) -> Counts:
        """Return what `rules` give; `per_label` is not looked at."""
        variant = self._variant(rules)
        right = found = alarms = 0
        rate = 0.0
        for place, (truth, quiet) in enumerate(zip(self._truth, self._quiet, strict=True)):
            spans = variant.spans(place, rules)
            found += len(spans)
            pairs = pairs_of(spans, truth)
            touched = np.unique(pairs.found[pairs.touch])
            false = len(spans) - len(touched)
            right += len(match(pairs, spans.score, MAIN_TIOU))
            alarms += false
            rate += false / quiet if quiet else 0.0
        return Counts(right, found, self.segments, alarms, rate)

    def _variant(self, rules: EventRules) -> _Variant:
        key = (rules.smoothing, rules.smoothing_seconds, rules.partial)
        if key not in self._variants:
            smoothed = replace(
                self._rules,
                smoothing=rules.smoothing,
                smoothing_seconds=rules.smoothing_seconds,
                partial=rules.partial,
                default=replace(rules.default, enter=1.0, leave=1.0),
                per_label={},
            )
            self._variants[key] = _Variant(self._videos, self._classes, smoothed)
        return self._variants[key]

    def _quiet_hours(self, label: str) -> float:
        return sum(quiet_seconds(label, v.truth, v.rows.duration) for v in self._videos) / HOUR


class _Variant:
    """The smoothed rows of all videos one after the other, and the runs of them that were asked for.

    Between videos, and where the source was away, stands a row that supports nothing; `stretch` numbers what lies between.
    """

    def __init__(self, videos: Sequence[LabelledVideo], classes: Sequence[str], rules: EventRules) -> None:
        places = [list(classes).index(label) for label in rules.alerting(list(classes))]
        times: list[float] = []
        videos_of: list[int] = []
        stretches: list[int] = []
        values: list[NDArray[np.float32]] = []
        nothing = np.full(len(places), _NOTHING, np.float32)
        stretch = 0
        for number, video in enumerate(videos):
            detector, gaps = EventDetector(classes, rules), GapWatch()
            rows = video.rows
            for i, time in enumerate(rows.times.tolist()):
                away = gaps.passed(time)
                if i == 0 or away:
                    stretch += 1
                    times.append(time)
                    videos_of.append(number)
                    stretches.append(-stretch)
                    values.append(nothing)
                detector.push(
                    time, rows.probabilities[i], energy=float(rows.energies[i]), full=bool(rows.full[i])
                )
                times.append(time)
                videos_of.append(number)
                stretches.append(stretch)
                values.append(detector.smoothed[places] if detector.known else nothing)
        self.times = np.array(times)
        self.video = np.array(videos_of, np.int64)
        self.stretch = np.array(stretches, np.int64)
        self.values = np.array(values, np.float32).reshape(len(times), len(places))
        self._runs: dict[tuple[int, float], tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
        self._found: dict[tuple[object, ...], list[tuple[int, int, float]]] = {}

    def spans(self, place: int, rules: EventRules) -> Spans:
        """Return the events of a label as they are shown."""
        shown: list[tuple[int, float, float, float]] = []
        lag, last_video, reached = rules.lag, -1, 0.0
        times, video = self.times, self.video
        for first, last, peak in self._events(place, rules):
            number = int(video[first])
            if number != last_video:
                last_video, reached = number, 0.0
            start = max(float(times[first]) - lag, reached)
            reached = max(float(times[last]) - lag, start + _SHORTEST)
            shown.append((number, start, reached, peak))
        return Spans.of(shown)

    def _events(self, place: int, rules: EventRules) -> list[tuple[int, int, float]]:
        """Return first row, last row and peak of each event of a label."""
        rule = rules.default
        settings = (rule.enter, rule.leave, rule.min_seconds, rule.consecutive, rule.merge_gap)
        key = (place, *settings)
        if key in self._found:
            return self._found[key]
        times, value = self.times, self.values[:, place]
        first, last = self._runs_of(place, rule.enter)
        _, ends = self._runs_of(place, rule.leave)
        # A run at `enter` lies within one at `leave`, which its event outlasts.
        outer = ends[np.searchsorted(ends, first)] if len(first) else first
        long_enough = times[last] - times[first] >= rule.min_seconds - ROUNDING
        confirmed = (long_enough & (last - first + 1 >= rule.consecutive)).tolist()
        begin, until = first.tolist(), outer.tolist()
        stretch = self.stretch[first].tolist()
        found: list[tuple[int, int, float]] = []
        i, count = 0, len(begin)
        while i < count:
            if not confirmed[i]:
                i += 1
                continue
            end, j = until[i], i + 1
            while j < count and stretch[j] == stretch[i]:
                if begin[j] > end:
                    if times[begin[j]] - times[end] > rule.merge_gap + ROUNDING:
                        break
                    end = until[j]
                j += 1
            found.append((begin[i], end, float(value[begin[i] : end + 1].max())))
            i = j
        self._found[key] = found
        return found

    def _runs_of(self, place: int, threshold: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return first and last row of each run of a label at `threshold` or above."""
        key = (place, threshold)
        if key not in self._runs:
            above = np.zeros(len(self.times) + 2, np.int8)
            # Compared as float32, as the detector does; a threshold of 0 is not met by a row that supports nothing.
            above[1:-1] = self.values[:, place] >= np.float32(threshold)
            step = np.diff(above)
            self._runs[key] = np.flatnonzero(step == 1), np.flatnonzero(step == -1) - 1
        return self._runs[key]
