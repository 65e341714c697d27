"""What has arrived and is not decoded yet: never more than a moment, however slow the reader is."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from threading import Condition
from typing import Any

from kinema.video.live.connection import Connection


@dataclass(frozen=True, slots=True)
class Opened:
    """What follows comes from this connection."""

    connection: Connection


@dataclass(frozen=True, slots=True)
class Arrived:
    """A packet of the main video stream, and `time.monotonic()` of its arrival."""

    packet: Any
    at: float


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection is closed: what its decoder holds back may come out."""


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing follows; `fault` says why when it is not the regular end."""

    fault: str | None


Item = Opened | Arrived | Closed | Ended


class Backlog:
    """A queue between the thread that receives and the one that decodes.

    When the oldest packet has waited for `seconds`, everything before the newest keyframe is dropped and counted, so
    that a slow reader is never further behind than that and a group of pictures. `patient` puts wait for room instead.
    """

    def __init__(self, seconds: float = 2.0, most: int = 1000, most_bytes: int = 64_000_000) -> None:
        self.dropped = 0
        self._seconds, self._most, self._most_bytes = seconds, most, most_bytes
        self._items: deque[Item] = deque()
        self._bytes = 0
        self._broken = False
        self._stopped = False
        self._changed = Condition()

    @property
    def stopped(self) -> bool:
        return self._stopped

    def stop(self) -> None:
        """Wake everybody who waits, now and in future."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def rest(self, seconds: float) -> bool:
        """Wait; return whether it has been stopped meanwhile."""
        with self._changed:
            return self._changed.wait_for(lambda: self._stopped, timeout=max(0.0, seconds))

    def mark(self, item: Opened | Closed | Ended) -> None:
        """Put what is never dropped."""
        with self._changed:
            if isinstance(item, Opened):
                self._broken = False
            self._items.append(item)
            self._changed.notify_all()

    def put(self, item: Arrived, *, patient: bool) -> None:
        """Put a packet."""
        with self._changed:
            if patient:
                self._changed.wait_for(lambda: self._stopped or not self._full())
            elif self._full() or self._late(item.at):
                self._drop(item)
            if self._broken and not item.packet.is_keyframe:
                self.dropped += 1
                return
            self._broken = False
            self._items.append(item)
            self._bytes += item.packet.size
            self._changed.notify_all()

    def take(self, until: float | None = None) -> Item | None:
        """Return the next item, once there is one; None when stopped, or at `until` (`time.monotonic()`)."""
        with self._changed:
            left = None if until is None else max(0.0, until - time.monotonic())
            self._changed.wait_for(lambda: self._stopped or self._items, timeout=left)
            if self._stopped or not self._items:
                return None
            item = self._items.popleft()
            if isinstance(item, Arrived):
                self._bytes -= item.packet.size
            self._changed.notify_all()
            return item

    def clear(self) -> None:
        with self._changed:
            self._items.clear()
            self._bytes = 0

    def _full(self) -> bool:
        return len(self._items) >= self._most or self._bytes >= self._most_bytes

    def _late(self, now: float) -> bool:
        oldest = next((item for item in self._items if isinstance(item, Arrived)), None)
        return oldest is not None and now - oldest.at > self._seconds

    def _drop(self, coming: Arrived) -> None:
        kept: deque[Item] = deque()
        enough = bool(coming.packet.is_keyframe)
        dropped = 0
        for item in reversed(self._items):
            if isinstance(item, Opened):
                enough = False  # an older connection's pictures may go, but not unnoticed
            if not isinstance(item, Arrived):
                kept.appendleft(item)
            elif enough:
                dropped += 1
                self._bytes -= item.packet.size
            else:
                kept.appendleft(item)
                enough = bool(item.packet.is_keyframe)
        if not dropped and self._full():
            # One endless group of pictures: nothing can be decoded before the next keyframe.
            kept = deque(item for item in kept if not isinstance(item, Arrived))
            dropped, self._bytes, self._broken = len(self._items) - len(kept), 0, True
        self._items = kept
        self.dropped += dropped
