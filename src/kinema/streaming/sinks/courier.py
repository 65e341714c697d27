"""Courier: the thread that brings what an outbox holds to one receiver, and tries again until it has arrived."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kinema.errors import KinemaError, first_line
from kinema.streaming.sinks.delivery import BackOff, Delivery
from kinema.streaming.sinks.outbox import Outbox

if TYPE_CHECKING:
    from filelock import BaseFileLock

_LOOK_AGAIN = 30.0  # seconds: other processes may have put something into the outbox
_TAKE_OVER = 2.0  # seconds between looks whether the process that delivers has ended
_UNEXPECTED = 10  # tries of a delivery that fails in a way that nobody foresaw
_HOUR = 3600.0


class Refused(KinemaError):  # noqa: N818 - it names an answer
    """The receiver will never take this delivery."""


class Later(KinemaError):  # noqa: N818 - it names an answer
    """The delivery did not arrive and may arrive later.

    `after`: seconds that the receiver asked for. `everything`: no other delivery of the channel would arrive now either
    (host unreachable, password refused); the whole channel waits, `at_most` seconds. `payload`: what remains to be
    delivered of this one.
    """

    def __init__(
        self,
        text: str,
        *,
        after: float | None = None,
        everything: bool = False,
        at_least: float = 0.0,
        at_most: float = 60.0,
        payload: dict[str, object] | None = None,
    ) -> None:
        super().__init__(text)
        self.after = after
        self.everything = everything
        self.at_least = at_least
        self.at_most = at_most
        self.payload = payload


class Carrier(Protocol):
    """How a courier reaches a receiver; every method is called from the courier's thread."""

    def greet(self) -> None:
        """Try the receiver out, once, before the first delivery; raises `KinemaError`, which is told."""

    def choose(self, outbox: Outbox, closing: bool) -> list[Delivery]:
        """Return what shall be delivered now, of what is due; `closing`: for the last time."""

    def deliver(self, item: Delivery) -> None:
        """Bring one delivery; raises `Refused` or `Later` when it has not arrived."""

    def rest(self) -> None:
        """Hang up: nothing is due."""


class Courier:
    """Delivers one channel of an outbox through a carrier, oldest first, from a thread of its own.

    Of several processes that share a folder one delivers a channel; when it ends, killed or not, another takes over.
    `tell` gets one line for each kind of failure, and one when deliveries arrive again.
    """

    def __init__(self, outbox: Outbox, channel: str, carrier: Carrier, tell: Callable[[str], None]) -> None:
        self.delivered = 0
        self.refused = 0
        self._outbox = outbox
        self._channel = channel
        self._carrier = carrier
        self._tell = tell
        self._wake = threading.Event()
        self._deadline: float | None = None
        self._not_before = 0.0
        self._failures = 0
        self._told: set[str] = set()
        self._expired_at = 0.0
        self._greeted = False
        self._lock: BaseFileLock | None = None
        self._thread = threading.Thread(target=self._run, name=f"deliver {channel}", daemon=True)
        self.closing = threading.Event()
        """Set when little time is left: a carrier that waits for something does not wait on."""

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def wake(self, *, at_once: bool = False) -> None:
        """Look at the outbox now; `at_once`: even where the channel waits after a failure."""
        if at_once:
            self._not_before = 0.0
        self._wake.set()

    def close(self, timeout: float) -> int:
        """Try what is due a last time, within `timeout` seconds; return how many wait in the outbox for the next start."""
        self._deadline = time.monotonic() + timeout
        self.closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return self._outbox.channels().get(self._channel, 0)

    @property
    def stopped(self) -> bool:
        """Whether the thread has ended."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._safe_round():
                pass
        finally:
            with suppress(Exception):
                self._carrier.rest()
            if self._lock is not None:
                self._lock.release()

    def _safe_round(self) -> bool:
        try:
            return self._round()
        except Exception as error:  # a courier that dies unseen would be the end of all alerts
            self._tell_once("round", f"{self._channel}: {_line(error)}")
            return self._deadline is not None or self._wait(_LOOK_AGAIN)

    def _round(self) -> bool:
        """Deliver what is due, then wait for more; return whether to stop."""
        closing = self._deadline is not None
        if not self._is_mine():
            return closing or self._wait(_TAKE_OVER)
        if not self._greeted and not closing:
            self._greet()
        batch: list[Delivery] = []
        try:
            self._expire()
            batch = self._carrier.choose(self._outbox, closing)
            if time.monotonic() < self._not_before:
                batch = []
        except Exception as error:
            self._tell_once("outbox", f"{self._channel}: {_line(error)}")
        self._tell_trouble()
        for item in batch:
            if self._deadline is not None and time.monotonic() > self._deadline:
                return True
            if not self._deliver(item):
                return closing
        if not batch:
            with suppress(Exception):
                self._carrier.rest()
            return closing or self._wait(self._pause())
        return False

    def _greet(self) -> None:
        self._greeted = True
        try:
            self._carrier.greet()
        except Later as error:
            self._tell_later(error)
            if error.at_least:
                self._not_before = time.monotonic() + error.at_least
        except Exception as error:
            self._tell_once(str(error), f"{self._channel}: {_line(error)}")

    def _deliver(self, item: Delivery) -> bool:
        """Return whether the next one may be tried now."""
        try:
            self._carrier.deliver(item)
        except Refused as error:
            self.refused += 1
            self._outbox.refuse(item, str(error))
            kept = f"; kept as failed in {self._outbox.path}" if self._outbox.path else ""
            self._tell_once(f"refused {_kind(error)}", f"{self._channel}: {error}{kept}")
        except Later as error:
            return self._put_off(item, error)
        except Exception as error:
            text = f"{type(error).__name__}: {first_line(error)}"
            self._tell_once(text, f"{self._channel}: {text}")
            if item.attempts + 1 >= _UNEXPECTED:
                self._outbox.refuse(item, text)
            else:
                self._outbox.postpone(item, text)
        else:
            self._outbox.delivered(item)
            self.delivered += 1
            self._failures = 0
            if any(kind.startswith("later") for kind in self._told):
                self._told = {kind for kind in self._told if not kind.startswith("later")}
                self._tell(f"{self._channel}: arrives again")
        return True

    def _put_off(self, item: Delivery, error: Later) -> bool:
        self._tell_later(error)
        if not error.everything:
            self._outbox.postpone(item, str(error), error.after, error.payload)
            return True
        self._failures += 1
        wait = BackOff(most=error.at_most).seconds(self._failures)
        wait = max(error.at_least, wait) if error.after is None else error.after
        # The channel waits, here; in the outbox it stays the first, for when the receiver is back or at the next start.
        self._outbox.postpone(item, str(error), error.after or 0.0, error.payload)
        self._not_before = time.monotonic() + wait
        return False

    def _tell_later(self, error: Later) -> None:
        text = f"{self._channel}: {error}; what waits is tried again until it arrives"
        self._tell_once(f"later {_kind(error)}", text)

    def _pause(self) -> float:
        wait = _LOOK_AGAIN
        try:
            due = self._outbox.next_due(self._channel)
        except Exception as error:
            self._tell_once("outbox", f"{self._channel}: {first_line(error)}")
            return wait
        if due is not None:
            wait = min(wait, max(0.01, due - time.time()))
        return max(wait, min(_LOOK_AGAIN, self._not_before - time.monotonic()))

    def _wait(self, seconds: float) -> bool:
        self._wake.wait(seconds)
        self._wake.clear()
        return False

    def _is_mine(self) -> bool:
        """Whether this process is the one that delivers this channel; a lock that ends with the process says so."""
        if self._outbox.path is None or self._lock is not None:
            return True
        from filelock import FileLock, Timeout

        lock = FileLock(_lock_path(self._outbox.path, self._channel), timeout=0)
        try:
            lock.acquire()
        except Timeout:
            return False
        except (
            OSError,
            NotImplementedError,
        ):  # a file system without locks, or a full one: better twice than never
            return True
        self._lock = lock
        return True

    def _expire(self) -> None:
        if self._expired_at and time.monotonic() - self._expired_at < _HOUR:
            return
        self._expired_at = time.monotonic()
        if old := self._outbox.expire(self._channel):
            self.refused += len(old)
            self._tell(f"{self._channel}: {len(old)} given up: {old[-1].error}")

    def _tell_trouble(self) -> None:
        if self._outbox.trouble is not None:
            self._tell_once("outbox", self._outbox.trouble)
        elif "outbox" in self._told:
            self._told.discard("outbox")
            self._tell(f"{self._outbox.path}: can be written again")

    def _tell_once(self, kind: str, text: str) -> None:
        if kind not in self._told and len(self._told) < 50:
            self._told.add(kind)
            self._tell(text)


def _line(error: Exception) -> str:
    return str(error) if isinstance(error, KinemaError) else first_line(error)


def _kind(error: Exception) -> str:
    return re.sub(r"\d{4,}|[0-9a-f]{16,}", "", str(error))


def _lock_path(outbox: Path, channel: str) -> Path:
    import hashlib

    return outbox.with_name(f"outbox-{hashlib.sha256(channel.encode()).hexdigest()[:8]}.lock")
