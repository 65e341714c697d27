"""EventDetector: rows of probabilities in, events out, the same for a file and a camera."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinema.errors import UsageError
from kinema.events.event import Event
from kinema.events.gaps import ROUNDING, GapWatch
from kinema.events.names import EventNames, in_utc
from kinema.events.rules import EventRules
from kinema.events.smoothing import Smoother, check_row
from kinema.events.track import NOTHING, Track

_SHORTEST = 0.001  # seconds: an event of one row still has a beginning and an end


class EventDetector:
    """Follows the rows of one source and tells of events as they begin and as they end.

    `classes`: the names of the K probabilities; `source`: the name of the video or camera; `began`: for a live source the
    date of its second 0 (or seconds since 1970), which gives events their `began_at` and an id that the next start cannot
    repeat. `smoothed` `(K,)` and `known` are those of the newest row: what the rules see of it, and whether they accept it.

    `LabelRule` and `EventRules` say what an event is. Memory does not grow with a stream: no row is kept but those
    of the median's last seconds.

    >>> from kinema.events import LabelRule
    >>> rule = LabelRule(enter=0.6, leave=0.4, min_seconds=1, consecutive=2, merge_gap=0)
    >>> detector = EventDetector(["idle", "fall"], EventRules("none", background=("idle",), default=rule))
    >>> for time, fall in enumerate([0.1, 0.7, 0.9, 0.5, 0.3]):
    ...     for event in detector.push(time, [1 - fall, fall]):
    ...         print(time, event.label, event.start, event.end, "ended" if event.ended else "begins")
    2 fall 1.0 2.0 begins
    4 fall 1.0 3.0 ended

    Raises `UsageError` when there are no classes or one twice, when a rule names another, or when none is left
    that makes events.
    """

    def __init__(
        self,
        classes: Sequence[str],
        rules: EventRules,
        source: str = "",
        began: datetime | float | None = None,
    ) -> None:
        self.classes, self.rules, self.source = list(classes), rules, source
        if not self.classes or len(set(self.classes)) < len(self.classes):
            raise UsageError(f"events of the classes {self.classes}: give at least one, and none twice")
        self._labels = rules.alerting(self.classes)
        if not self._labels:
            raise UsageError(
                "event setting background: no class is left to make events; leave out one that should"
            )
        self.smoothed = np.zeros(len(self.classes), np.float32)
        self.known = False
        self._began = in_utc(began)
        self._names = EventNames(source, self.classes, self._began)
        self._smoother, self._gaps = Smoother(rules, self.classes), GapWatch()
        self._places = np.array([self.classes.index(label) for label in self._labels])
        # Compared as the probabilities are kept, so that 0.7 reaches a threshold of 0.7.
        self._enter = np.array([rules.rule(label).enter for label in self._labels], np.float32)
        self._leave = np.array([rules.rule(label).leave for label in self._labels], np.float32)
        self._time = -math.inf
        self._tracks: dict[int, Track] = {}
        self._alerted: dict[str, float] = {}
        self._shown_end: dict[str, float] = {}

    def push(
        self, time: float, probabilities: ArrayLike, *, energy: float | None = None, full: bool = True
    ) -> list[Event]:
        """Take the next row: `probabilities` `(K,)` at `time` seconds, its `energy`, and whether its window was `full`.

        Returns the events that the row ends, then those that it begins (`ended` false); a begun one comes again, with the
        same id, once it has ended. A row with numbers that are not finite supports no label and leaves the smoothing as it
        is, and so does one whose window was not full, unless the rules say `partial`.

        Raises `UsageError` for a row of the wrong length, a time before the last row's, or no energy where the rules
        need it.
        """
        row = np.array(probabilities, np.float32)
        check_row(row, len(self.classes))
        if not self._time <= time < math.inf:
            raise UsageError(f"row at {time:g} s after one at {self._time:g} s: give rows in order of time")
        if energy is None and self.rules.unknown_energy is not None:
            raise UsageError("event setting unknown_energy: rows come without energy; set it to null")
        told: list[Event] = []
        if self._gaps.passed(time):
            told += self._end_all()
            self._smoother.reset()
        self._time = time
        if (full or self.rules.partial) and bool(np.isfinite(row).all()):
            self.smoothed = self._smoother.push(time, row)
            self.known = self._is_known(row, energy)
        else:
            self.smoothed = np.nan_to_num(row, nan=0.0, posinf=1.0, neginf=0.0)
            self.known = False
        return told + self._step(time)

    def finish(self, end: float) -> list[Event]:
        """End what goes on, the stream having ended at `end` seconds; return the events that this ends, by their starts.

        A run that is not an event yet is none; an event, paused or not, ends with the last row that supported it (and at
        `end`, if that is earlier). The detector can be used again afterwards, for the rows after a pause say: cooldowns
        hold on.
        """
        ended = self._end_all(end)
        self._smoother.reset()
        return sorted(ended, key=lambda event: event.start)

    def _is_known(self, row: NDArray[np.float32], energy: float | None) -> bool:
        rules = self.rules
        if rules.unknown and row.max() < np.float32(rules.unknown):
            return False
        # An energy that is no number vouches for nothing.
        return rules.unknown_energy is None or energy is None or energy <= rules.unknown_energy

    def _step(self, time: float) -> list[Event]:
        ended: list[Event] = []
        begun: list[Event] = []
        touched = set(self._tracks)
        if self.known:
            values = self.smoothed[self._places]
            touched.update(np.flatnonzero(values >= self._enter).tolist())
        for place in sorted(touched):
            value = values[place] if self.known else np.float32(NOTHING)
            track = self._tracks.get(place)
            if track is not None and not self._goes_on(track, time, value):
                del self._tracks[place]
                if track.begun:
                    ended.append(self._end(track))
                track = None
            if track is None and value >= self._enter[place]:
                track = self._tracks[place] = self._new_track(place, time)
            if track is not None and not track.paused:
                track.take(time, float(value), self.smoothed)
                if not track.begun and track.confirmed:
                    begun.append(self._begin(track))
        return ended + begun

    def _goes_on(self, track: Track, time: float, value: np.float32) -> bool:
        """Say whether a label's run or event outlasts the row, and note whether it is paused."""
        if not track.begun:
            return bool(value >= self._enter[track.place])
        if not track.paused:
            track.paused = bool(value < self._leave[track.place])
            return not track.paused or track.may_go_on(time)
        if not track.may_go_on(time):
            return False
        track.paused = bool(value < self._enter[track.place])
        return True

    def _new_track(self, place: int, time: float) -> Track:
        label = self._labels[place]
        return Track(place, label, self.rules.rule(label), time, time, np.zeros(len(self.classes)))

    def _begin(self, track: Track) -> Event:
        track.begun = True
        pause = track.start - self._alerted.get(track.label, -math.inf)
        track.alert = pause >= track.rule.cooldown - ROUNDING
        track.shown_start = max(track.start - self.rules.lag, self._shown_end.get(track.label, 0.0))
        track.id = self._names.name(track.label, track.shown_start)
        return self._event(track, ended=False)

    def _end(self, track: Track, at_most: float = math.inf) -> Event:
        event = self._event(track, ended=True, at_most=at_most)
        if track.alert:
            self._alerted[track.label] = track.end
        self._shown_end[track.label] = event.end
        return event

    def _end_all(self, at_most: float = math.inf) -> list[Event]:
        tracks = [self._tracks[place] for place in sorted(self._tracks)]
        self._tracks.clear()
        return [self._end(track, at_most) for track in tracks if track.begun]

    def _event(self, track: Track, *, ended: bool, at_most: float = math.inf) -> Event:
        lag, start = self.rules.lag, track.shown_start
        end = max(min(track.end - lag, at_most), start + _SHORTEST)
        means = dict(zip(self.classes, (track.sums / track.rows).tolist(), strict=True))
        return Event(
            label=track.label,
            start=start,
            end=end,
            peak=track.peak,
            peak_time=min(max(track.peak_time - lag, start), end),
            mean=means[track.label],
            means=means,
            rows=track.rows,
            source=self.source,
            id=track.id,
            ended=ended,
            alert=track.alert,
            began_at=self._date(start),
        )

    def _date(self, time: float) -> str | None:
        if self._began is None:
            return None
        return (self._began + timedelta(seconds=time)).isoformat(timespec="milliseconds")


def events_of(
    times: NDArray[np.floating[Any]],
    probabilities: NDArray[np.floating[Any]],
    classes: Sequence[str],
    rules: EventRules,
    *,
    end: float,
    energies: NDArray[np.floating[Any]] | None = None,
    full: NDArray[np.bool_] | None = None,
    source: str = "",
) -> list[Event]:
    """Return the events of a whole timeline in the order of their starts: an `EventDetector` pushed row by row.

    `times` `(n,)` in seconds, rising; `probabilities` `(n, K)`; `energies` and `full` `(n,)`; `end`: when the video ends.

    Raises `UsageError` as the detector does, and when there are not as many times as rows.
    """
    detector = EventDetector(classes, rules, source)
    count = len(times)
    for name, given in (("probabilities", probabilities), ("energies", energies), ("full", full)):
        if given is not None and len(given) != count:
            raise UsageError(f"{len(given)} rows of {name} at {count} times: give one each")
    rows = np.asarray(probabilities)  # of a file in memory: its own rows are slow to take
    found: list[Event] = []
    for index, time in enumerate(np.asarray(times, np.float64).tolist()):
        told = detector.push(
            time,
            rows[index],
            energy=None if energies is None else float(energies[index]),
            full=full is None or bool(full[index]),
        )
        found += [event for event in told if event.ended]
    found += detector.finish(end)
    order = {label: place for place, label in enumerate(detector.classes)}
    return sorted(found, key=lambda event: (event.start, order[event.label]))
