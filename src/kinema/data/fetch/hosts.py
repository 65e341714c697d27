"""Manners towards a server: how many requests at a time, and how long it asked to be left alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit


class Hosts:
    """A ceiling of parallel requests for each host, and a pause for all of them when one was told to wait.

    `clock` counts seconds, `sleep` waits for some.
    """

    def __init__(self, parallel: int, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._parallel, self._clock, self._sleep = parallel, clock, sleep
        self._slots: dict[str, threading.Semaphore] = {}
        self._free_at: dict[str, float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, url: str) -> Iterator[None]:
        """Wait for a place and for the end of a pause, and hold the place for as long as the block runs."""
        host = urlsplit(url).netloc
        with self._lock:
            slots = self._slots.setdefault(host, threading.Semaphore(self._parallel))
        with slots:
            while (rest := self._free_at.get(host, 0.0) - self._clock()) > 0:
                self._sleep(rest)
            yield

    def pause(self, url: str, seconds: float) -> None:
        """Ask nothing of the host for so long, from any thread."""
        host = urlsplit(url).netloc
        with self._lock:
            self._free_at[host] = max(self._free_at.get(host, 0.0), self._clock() + seconds)


def retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds of a Retry-After header, which holds seconds or a date (RFC 9110, 10.2.3).

    `now` is the time in seconds since 1970. None when there is no header or it cannot be read.

    >>> retry_after("120", 0.0), retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 10.0), retry_after("soon", 0.0)
    (120.0, 50.0, None)
    """
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (TypeError, ValueError):
        return None
