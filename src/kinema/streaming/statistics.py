"""Counts and times of a running engine, in memory that does not grow."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Literal

import numpy as np

State = Literal["starting", "running", "lost", "ended", "failed"]
Spread = tuple[float, float, float]
"""p50, p95 and p99 in milliseconds."""

_LEAST, _RATIO, _BUCKETS = 1e-5, 1.02, 1000  # seconds; up to 4,000 s
_RECENT = 10.0  # seconds that rates and `recent` look back
_PARTS = ("latency", "waited", "decode", "backbone", "head")


class Durations:
    """Quantiles of many durations, to 1 %, in constant memory.

    >>> durations = Durations()
    >>> for milliseconds in range(1, 101):
    ...     durations.add(milliseconds / 1000)
    >>> [round(value) for value in durations.spread()]
    [50, 95, 99]
    """

    def __init__(self) -> None:
        self._counts = np.zeros(_BUCKETS, np.int64)

    def add(self, seconds: float) -> None:
        """Count one duration."""
        place = math.ceil(math.log(max(seconds, _LEAST) / _LEAST) / math.log(_RATIO))
        self._counts[min(place, _BUCKETS - 1)] += 1

    def spread(self) -> Spread:
        """Return p50, p95 and p99 in milliseconds; 0 before anything was counted."""
        total = self._counts.cumsum()
        if not total[-1]:
            return 0.0, 0.0, 0.0
        found = [int(np.searchsorted(total, math.ceil(share * total[-1]))) for share in (0.5, 0.95, 0.99)]
        values = [1000 * _LEAST * _RATIO ** (place - 0.5) for place in found]
        return values[0], values[1], values[2]


@dataclass(frozen=True)
class SourceStats:
    """What happened to one source's frames.

    `seen`: frames decoded; `sampled`: pictures that the ClipSpec's grid in time asks for; `used`: of these, computed;
    `dropped`: of these, left out by the policy. `skipped`: frames of a stream that were never decoded, since it sent more than
    could be read. `fps_in`, `fps_used`: frames and computed pictures a second, of the last 10 s.
    `latency` (capture to result), `waited` (in the queue), `decode`, `backbone`, `head`: p50, p95, p99 in ms of all
    pictures; `recent`: the latency of the last 10 s.
    """

    name: str
    state: State
    seen: int
    sampled: int
    used: int
    dropped: int
    fps_in: float
    fps_used: float
    latency: Spread
    waited: Spread
    decode: Spread
    backbone: Spread
    head: Spread
    recent: Spread
    skipped: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the values ready for JSON."""
        values: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("name", "state", "seen", "sampled", "used", "dropped", "skipped")
        }
        values["fps_in"], values["fps_used"] = round(self.fps_in, 2), round(self.fps_used, 2)
        for part in (*_PARTS, "recent"):
            p50, p95, p99 = getattr(self, part)
            values[f"{part}_ms"] = {"p50": round(p50, 2), "p95": round(p95, 2), "p99": round(p99, 2)}
        return values


@dataclass(frozen=True)
class Statistics:
    """What an engine has done in `seconds` since it started; `batches` counts calls of the backbone."""

    policy: str
    engine: str
    seconds: float
    batches: int
    sources: list[SourceStats]
    sinks: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the values ready for JSON."""
        return {
            "policy": self.policy,
            "engine": self.engine,
            "seconds": round(self.seconds, 3),
            "batches": self.batches,
            "sources": [source.to_dict() for source in self.sources],
            "sinks": self.sinks,
        }


class SourceCounter:
    """Counts for one source; safe among threads."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state: State = "starting"
        self._lock = Lock()
        self._seen = self._sampled = self._used = self._dropped = 0
        self._durations = {part: Durations() for part in _PARTS}
        self._frames: deque[float] = deque(maxlen=2000)
        self._rows: deque[tuple[float, float]] = deque(maxlen=2000)

    def frame(self, now: float, sampled: int) -> None:
        """Count a decoded frame that serves `sampled` points of the grid."""
        with self._lock:
            self._seen += 1
            self._sampled += sampled
            self._frames.append(now)

    def drop(self, count: int) -> None:
        """Count pictures that the policy left out."""
        with self._lock:
            self._dropped += count

    def use(self, now: float, count: int, **seconds: float) -> None:
        """Count a computed picture that serves `count` points of the grid, and its durations."""
        with self._lock:
            self._used += count
            for part, value in seconds.items():
                self._durations[part].add(value)
            self._rows.append((now, seconds["latency"]))

    def stats(self, now: float) -> SourceStats:
        """Return the numbers so far."""
        with self._lock:
            frames = sum(1 for time in self._frames if time > now - _RECENT)
            rows = [latency for time, latency in self._rows if time > now - _RECENT]
            recent = (
                [1000 * float(value) for value in np.quantile(rows, (0.5, 0.95, 0.99))] if rows else [0.0] * 3
            )
            first = self._frames[0] if self._frames else now
            span = max(1e-9, min(_RECENT, now - first))
            spreads = {part: durations.spread() for part, durations in self._durations.items()}
            return SourceStats(
                self.name, self.state, self._seen, self._sampled, self._used, self._dropped, frames / span, len(rows) / span,
                spreads["latency"], spreads["waited"], spreads["decode"], spreads["backbone"], spreads["head"],
                (recent[0], recent[1], recent[2]),
            )  # fmt: skip
