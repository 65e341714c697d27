"""Delivery: one thing that a sink owes the world; and the SQLite table that keeps many of them."""

from __future__ import annotations

import json
import random
import sqlite3
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from kinema.errors import KinemaError

State = Literal["waiting", "failed"]
_VERSION = 1
_COLUMNS = "id, channel, key, payload, state, created, next_try, attempts, error"
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL, key TEXT NOT NULL UNIQUE, payload TEXT NOT NULL,
    state TEXT NOT NULL, created REAL NOT NULL, next_try REAL NOT NULL, attempts INTEGER NOT NULL, error TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (channel, state, next_try);
PRAGMA user_version = {_VERSION};
"""


@dataclass(frozen=True)
class Delivery:
    """One thing to deliver through one channel.

    `key`: names the delivery to its receiver (Message-ID, Idempotency-Key) and stays the same over all tries. `created` and
    `next_try`: `time.time()`. `error`: what the last try met. `stored`: on disk, not in memory alone.
    """

    channel: str
    payload: dict[str, Any]
    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    state: State = "waiting"
    created: float = field(default_factory=time.time)
    next_try: float = 0.0
    attempts: int = 0
    error: str = ""
    id: int = 0
    stored: bool = False


@dataclass(frozen=True)
class BackOff:
    """Seconds until the next try: `first`, doubled with each attempt up to `most`, times a random 0.75 to 1.25, so that
    many that failed together do not come back together."""

    first: float = 2.0
    most: float = 900.0

    def seconds(self, attempts: int) -> float:
        """Return the pause after the given number of attempts, 1 or more."""
        return min(self.most, self.first * 2.0 ** min(attempts - 1, 30)) * random.uniform(0.75, 1.25)


class DeliveryTable:
    """The table of one SQLite file, or of memory (`:memory:`); every method is one transaction.

    Raises `sqlite3.Error` for what SQLite refuses, `KinemaError` for a file that a newer version of this table made.
    """

    def __init__(self, path: str | Path) -> None:
        self._stored = path != ":memory:"
        self._connection = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
        self._use_write_ahead_log()
        self._connection.execute("PRAGMA synchronous = FULL")
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version > _VERSION:
            raise KinemaError(f"{path}: made by a newer kinema; update kinema, or move the file away")
        if version < _VERSION:
            self._connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")

    def _use_write_ahead_log(self) -> None:
        # The change of mode does not wait for other processes that open the file at the same moment.
        for attempt in range(100):
            try:
                self._connection.execute("PRAGMA journal_mode = WAL").fetchone()
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or attempt == 99:
                    raise
                time.sleep(0.05)

    def insert(self, item: Delivery, delete: Sequence[int] = ()) -> Delivery:
        """Add a delivery in the place of those with the ids `delete`; return it with its id."""

        def work() -> int:
            cursor = self._connection.execute(
                "INSERT OR IGNORE INTO deliveries (channel, key, payload, state, created, next_try, attempts, error)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (item.channel, item.key, json.dumps(item.payload, allow_nan=False), *_changing(item)[1:]),
            )
            self._connection.executemany("DELETE FROM deliveries WHERE id = ?", [(n,) for n in delete])
            return int(cursor.lastrowid or 0)

        return replace(item, id=self._transaction(work), stored=self._stored)

    def update(self, item: Delivery) -> None:
        """Write the newest state of a delivery."""
        self._transaction(
            lambda: self._connection.execute(
                "UPDATE deliveries SET payload = ?, state = ?, created = ?, next_try = ?, attempts = ?, error = ?"
                " WHERE id = ?",
                (*_changing(item), item.id),
            )
        )

    def delete(self, number: int) -> None:
        """Remove a delivery."""
        self._transaction(lambda: self._connection.execute("DELETE FROM deliveries WHERE id = ?", (number,)))

    def touch(self) -> None:
        """Write something, to see whether that works."""
        self._transaction(lambda: self._connection.execute(f"PRAGMA user_version = {_VERSION}"))

    def select(self, where: str, values: tuple[Any, ...]) -> list[Delivery]:
        """Return the deliveries of a condition of SQL, which may end with an order and a limit."""
        rows = self._connection.execute(f"SELECT {_COLUMNS} FROM deliveries WHERE {where}", values).fetchall()
        return [
            Delivery(
                channel,
                json.loads(payload),
                key,
                state,
                created,
                later,
                attempts,
                error,
                number,
                self._stored,
            )
            for number, channel, key, payload, state, created, later, attempts, error in rows
        ]

    def close(self) -> None:
        """Close the file."""
        with suppress(sqlite3.Error):
            self._connection.close()

    def _transaction(self, work: Callable[[], Any]) -> Any:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            result = work()
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
            raise
        return result


def _changing(item: Delivery) -> tuple[Any, ...]:
    payload = json.dumps(item.payload, allow_nan=False)
    return payload, item.state, item.created, item.next_try, item.attempts, item.error
