"""A queue of deliveries that survives a restart: what a sink owes the world, with the time of each next try."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kinema.errors import KinemaError, first_line
from kinema.streaming.sinks.delivery import BackOff, Delivery, DeliveryTable

OUTBOX_FILE = "outbox.sqlite"
_DAY = 86400.0
_KEPT = 30 * _DAY  # how much longer what failed can be looked at
_DUE = "(next_try <= ? OR next_try > ?)"


class Outbox:
    """Deliveries in `FOLDER/outbox.sqlite` (SQLite, write-ahead log), or in memory alone where `folder` is None.

    What `add` returned from is on disk and survives `kill -9` and a power cut. Several threads and processes may use one
    folder. A delivery is removed after it has succeeded: a process that is killed between the two delivers it again, under
    the same `key` (at least once; exactly once for a receiver that knows the key).

    A disk that is full or gone does not stop the deliveries: what cannot be written is kept in memory, moved to disk when
    that works again, and `trouble` says so meanwhile. What waits for longer than `expire_days` becomes `failed`; failed
    ones are kept for another 30 days.

    Raises `KinemaError` when the file cannot be opened or is something else.

    >>> box = Outbox(None)
    >>> item = box.add("mail", {"label": "fall"})
    >>> [delivery.payload["label"] for delivery in box.due("mail")]
    ['fall']
    >>> box.delivered(item)
    >>> box.due("mail")
    []
    """

    def __init__(
        self, folder: Path | None, *, expire_days: float = 7.0, back_off: BackOff | None = None
    ) -> None:
        self.path = None if folder is None else Path(folder) / OUTBOX_FILE
        self.trouble: str | None = None
        self._back_off = back_off or BackOff()
        self._expire = expire_days * _DAY
        self._lock = threading.RLock()
        self._memory = DeliveryTable(":memory:")
        self._disk: DeliveryTable | None = None
        # Deliveries on disk whose newest state could not be written; None: they are to be deleted.
        self._unwritten: dict[int, Delivery | None] = {}
        if self.path is not None:
            self._disk = _open(self.path)

    def add(self, channel: str, payload: dict[str, Any]) -> Delivery:
        """Keep something to deliver, due at once; `payload` is JSON and holds no secret."""
        return self._insert(Delivery(channel, payload))

    def due(self, channel: str, limit: int = 50) -> list[Delivery]:
        """Return what is due, oldest first."""
        with self._lock:
            self._catch_up()
            now = time.time()
            where = f"channel = ? AND state = 'waiting' AND {_DUE} ORDER BY created LIMIT ?"
            # What has changed in memory since it was written takes places of the query.
            values = (channel, now, now + 2 * _DAY, limit + len(self._unwritten))
            found = self._select(where, values)
            return [item for item in found if _is_due(item, now)][:limit]

    def waiting(self, channel: str) -> list[Delivery]:
        """Return all that waits, due or not, oldest first."""
        with self._lock:
            return self._waiting(channel)

    def next_due(self, channel: str) -> float | None:
        """Return when (`time.time()`) something will be due, None when nothing waits."""
        with self._lock:
            if self._unwritten:
                return min((item.next_try for item in self._waiting(channel)), default=None)
            first = self._select("channel = ? AND state = 'waiting' ORDER BY next_try LIMIT 1", (channel,))
            return min((item.next_try for item in first), default=None)

    def failed(self, channel: str) -> list[Delivery]:
        """Return what was refused for good or has expired, oldest first."""
        with self._lock:
            return self._select("channel = ? AND state = 'failed'", (channel,))

    def channels(self) -> dict[str, int]:
        """Return how many wait for each channel that has some."""
        with self._lock:
            counts: dict[str, int] = {}
            for item in self._select("state = 'waiting'", ()):
                counts[item.channel] = counts.get(item.channel, 0) + 1
            return counts

    def delivered(self, item: Delivery) -> None:
        """Forget what has arrived."""
        with self._lock:
            self._settle([item])

    def postpone(
        self, item: Delivery, error: str, wait: float | None = None, payload: dict[str, Any] | None = None
    ) -> Delivery:
        """Try again after a back-off, or after `wait` seconds, with another payload if there is one; counts an attempt."""
        attempts = item.attempts + 1
        wait = self._back_off.seconds(attempts) if wait is None else wait
        changed = replace(
            item,
            attempts=attempts,
            error=error,
            next_try=time.time() + wait,
            payload=payload or item.payload,
        )
        return self._save(changed)

    def hold(self, item: Delivery, until: float, payload: dict[str, Any] | None = None) -> Delivery:
        """Let it wait until `until` (`time.time()`) without counting an attempt."""
        return self._save(replace(item, next_try=until, payload=payload or item.payload))

    def refuse(self, item: Delivery, error: str) -> Delivery:
        """Keep it as failed: it is not tried again."""
        return self._save(replace(item, state="failed", error=error, attempts=item.attempts + 1))

    def try_again(self, channel: str) -> int:
        """Make what failed due once more; return how many."""
        with self._lock:
            failed = self.failed(channel)
            for item in failed:
                self._save(replace(item, state="waiting", next_try=0.0, created=time.time()))
            return len(failed)

    def merge(self, items: Sequence[Delivery], payload: dict[str, Any]) -> Delivery:
        """Put one delivery in the place of several; on disk in one transaction."""
        with self._lock:
            merged = self._insert(Delivery(items[0].channel, payload), instead=items)
            self._settle([item for item in items if not item.stored or not merged.stored])
            return merged

    def expire(self, channel: str) -> list[Delivery]:
        """Turn what has waited too long into failed, forget what failed a month ago; return the former."""
        with self._lock:
            before = time.time() - self._expire
            old = self._select("channel = ? AND state = 'waiting' AND created < ?", (channel, before))
            where = "channel = ? AND state = 'failed' AND created < ?"
            self._settle(self._select(where, (channel, before - _KEPT)))
            days = f"{self._expire / _DAY:g} days"
            return [
                self.refuse(item, f"not delivered within {days}: {item.error or 'never tried'}")
                for item in old
            ]

    def close(self) -> None:
        """Write what could not be written before, if that works now, and close the file."""
        with self._lock:
            self._catch_up()
            if self._disk is not None:
                self._disk.close()
                self._disk = None
            self._memory.close()

    def _insert(self, item: Delivery, instead: Sequence[Delivery] = ()) -> Delivery:
        with self._lock:
            if (disk := self._disk) is not None:
                ids = [old.id for old in instead if old.stored]
                try:
                    found = disk.insert(item, delete=ids)
                    for number in ids:
                        self._unwritten.pop(number, None)
                    return found
                except sqlite3.Error as error:
                    self._in_trouble(error)
            return self._memory.insert(item)

    def _save(self, item: Delivery) -> Delivery:
        with self._lock:
            if not item.stored:
                self._memory.update(item)
            elif self._disk is not None:
                self._write(item.id, item)
        return item

    def _settle(self, items: Sequence[Delivery]) -> None:
        for item in items:
            if not item.stored:
                self._memory.delete(item.id)
            elif self._disk is not None:
                self._write(item.id, None)

    def _write(self, number: int, item: Delivery | None) -> None:
        assert self._disk is not None
        try:
            if item is None:
                self._disk.delete(number)
            else:
                self._disk.update(item)
            self._unwritten.pop(number, None)
        except sqlite3.Error as error:
            self._unwritten[number] = item
            self._in_trouble(error)

    def _catch_up(self) -> None:
        """Write what could not be written when the disk was in trouble."""
        if self._disk is None or (self.trouble is None and not self._unwritten):
            return
        try:
            for number, item in list(self._unwritten.items()):
                if item is None:
                    self._disk.delete(number)
                else:
                    self._disk.update(item)
                del self._unwritten[number]
            for item in self._memory.select("1", ()):
                self._disk.insert(item)
                self._memory.delete(item.id)
            self._disk.touch()
            self.trouble = None
        except sqlite3.Error as error:
            self._in_trouble(error)

    def _in_trouble(self, error: sqlite3.Error) -> None:
        self.trouble = (
            f"{self.path}: {_plain(error)}; what is to be delivered is kept in memory until it can be written"
        )

    def _waiting(self, channel: str) -> list[Delivery]:
        return self._select("channel = ? AND state = 'waiting'", (channel,))

    def _select(self, where: str, values: tuple[Any, ...]) -> list[Delivery]:
        found: list[Delivery] = []
        if self._disk is not None:
            try:
                for item in self._disk.select(where, values):
                    newest = self._unwritten.get(item.id, item)
                    if newest is not None and newest.state == item.state:
                        found.append(newest)
            except sqlite3.Error as error:
                self._in_trouble(error)
        found += self._memory.select(where, values)
        return sorted(found, key=lambda item: item.created)


def _is_due(item: Delivery, now: float) -> bool:
    # A next try days ahead is one from before the clock was set back.
    return item.next_try <= now or item.next_try > now + 2 * _DAY


def _open(path: Path) -> DeliveryTable:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return DeliveryTable(path)
    except OSError as error:
        raise KinemaError(f"{path}: cannot be written: {error.strerror or error}") from error
    except sqlite3.OperationalError as error:
        raise KinemaError(f"{path}: cannot be written: {_plain(error)}") from error
    except sqlite3.DatabaseError as error:
        raise KinemaError(
            f"{path}: not an outbox of kinema ({_plain(error)}); move it away, and a new one is made"
        ) from error


def _plain(error: sqlite3.Error) -> str:
    text = first_line(error)
    return "the disk is full" if "full" in text else text
