"""What a live view remembers between two drawings: newest rows, events, notices, and what happened in the last seconds."""

from __future__ import annotations

import threading
from collections import deque

from kinema.events import Event
from kinema.streaming.rows import Notice, Row
from kinema.streaming.statistics import Statistics

_WINDOW = 5.0  # seconds over which a rate is an average


class Pulse:
    """Takes what a display is told, from one thread, and gives it to another that draws."""

    def __init__(self, events: int, notices: int) -> None:
        self._lock = threading.Lock()
        self._rows: dict[int, Row] = {}
        self._events: dict[str, Event] = {}
        self._kept = events
        self._notices: deque[Notice] = deque(maxlen=notices)
        self._counts: deque[tuple[float, tuple[int, ...]]] = deque()

    def row(self, row: Row) -> None:
        """Keep the newest row of a source."""
        with self._lock:
            self._rows[row.source] = row

    def event(self, event: Event) -> None:
        """Keep an event in the place of its beginning; the oldest that have ended go."""
        with self._lock:
            self._events[event.id or f"{event.source} {event.label} {event.start}"] = event
            over = len(self._events) - self._kept
            ended = [name for name, one in self._events.items() if one.ended]
            for name in (ended if len(ended) > over else list(self._events))[: max(0, over)]:
                del self._events[name]

    def notice(self, notice: Notice) -> None:
        """Keep a notice."""
        with self._lock:
            self._notices.append(notice)

    def rows(self) -> dict[int, Row]:
        """Return the newest row of each source, by the source's index."""
        with self._lock:
            return dict(self._rows)

    def events(self) -> list[Event]:
        """Return the last events, the oldest first."""
        with self._lock:
            return list(self._events.values())

    def notices(self) -> list[Notice]:
        """Return the last notices, the oldest first."""
        with self._lock:
            return list(self._notices)

    def dropped(self, numbers: Statistics) -> list[float]:
        """Return how many pictures a second each source has lost of late, from this and earlier calls."""
        now, counts = numbers.seconds, tuple(source.dropped for source in numbers.sources)
        with self._lock:
            if self._counts and len(self._counts[-1][1]) != len(counts):
                self._counts.clear()
            self._counts.append((now, counts))
            while len(self._counts) > 2 and self._counts[1][0] <= now - _WINDOW:
                self._counts.popleft()
            then, before = self._counts[0]
        passed = max(1.0, now - then)
        return [(new - old) / passed for new, old in zip(counts, before, strict=True)]
