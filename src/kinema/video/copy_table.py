"""Which copies of stored videos are in the cache, in an SQLite file that any number of processes share.

The table only saves work: one that is damaged is made anew from the files that are there, and what it no longer knows
is fetched again when it is asked for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from kinema.video.store_errors import DiskError

_T = TypeVar("_T")
_FULL = (
    "disk is full",
    "disk I/O error",
)  # as SQLite says it; the second also stands for a limit on file sizes


class CopyTable:
    """Rows of a name below `folder`, size in bytes, version in the store ("" while it is on its way), and stamp.

    The stamp is the file's time of change in nanoseconds: a file with another one is not the copy of the row.
    Methods raise `DiskError` when the table cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / ".copies.sqlite"
        self._run(lambda connection: None)

    def get(self, name: str) -> tuple[int, str, int] | None:
        """Return size, version and stamp of a copy."""

        def ask(connection: sqlite3.Connection) -> tuple[int, str, int] | None:
            found = connection.execute("SELECT size, version, stamp FROM copies WHERE path = ?", (name,))
            row: tuple[int, str, int] | None = found.fetchone()
            return row

        return self._run(ask)

    def put(self, name: str, size: int, version: str, stamp: int) -> None:
        """Note a copy in place of what was noted of it."""
        row = (name, size, version, stamp)
        self._run(lambda c: c.execute("INSERT OR REPLACE INTO copies VALUES (?, ?, ?, ?)", row))

    def drop(self, name: str, *, coming: bool = False) -> None:
        """Forget a copy; with `coming`, only if it is still on its way."""
        only = " AND version = ''" if coming else ""
        self._run(lambda c: c.execute(f"DELETE FROM copies WHERE path = ?{only}", (name,)))

    def sizes(self) -> dict[str, int]:
        """Return the bytes of every copy, also of those on their way."""
        return self._run(lambda c: dict(c.execute("SELECT path, size FROM copies").fetchall()))

    def _run(self, action: Callable[[sqlite3.Connection], _T]) -> _T:
        try:
            try:
                return self._once(action)
            except (
                sqlite3.OperationalError
            ):  # locked, full, not to be opened: no damage, except for a lost table
                if not self._damaged():
                    raise
            except sqlite3.DatabaseError:  # not a database, malformed
                if not self._damaged():  # another process has made it anew meanwhile
                    return self._once(action)
            self._rebuild()
            return self._once(action)
        except (OSError, sqlite3.Error) as error:
            if "disk is full" in str(error):
                why, mend = "the disk is full", "free some space or set KINEMA_CACHE to another disk"
            else:
                why, mend = f"cannot be written ({error})", "set KINEMA_CACHE to a folder that can"
            raise DiskError(f"{self._folder}: the cache of stored videos: {why}; {mend}") from error

    def _once(self, action: Callable[[sqlite3.Connection], _T]) -> _T:
        with closing(self._connect()) as connection, connection:
            return action(connection)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._file, timeout=60)
        connection.execute("PRAGMA synchronous = OFF")  # what a lost table costs is a download
        connection.execute(
            "CREATE TABLE IF NOT EXISTS copies (path TEXT PRIMARY KEY, size INTEGER, version TEXT, stamp INTEGER)"
        )
        return connection

    def _damaged(self) -> bool:
        try:
            with closing(sqlite3.connect(self._file, timeout=60)) as connection:
                sound = connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
                columns = [row[1] for row in connection.execute("PRAGMA table_info(copies)")]
            return not sound or columns not in ([], ["path", "size", "version", "stamp"])
        except sqlite3.OperationalError:
            return False
        except sqlite3.DatabaseError:
            return True

    def _rebuild(self) -> None:
        """Make the table anew: the files that are there count, and are the first to go, since they are of no version."""
        with FileLock(str(self._folder / ".locks" / "table")):
            if not self._damaged():
                return
            for suffix in ("", "-journal", "-wal", "-shm"):
                self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)
            rows = []
            for path in self._folder.rglob("*"):
                name = path.relative_to(self._folder).as_posix()
                with suppress(OSError):
                    if not name.startswith(".") and path.is_file():
                        rows.append((name, path.stat().st_size, "", 0))
            self._once(lambda c: c.executemany("INSERT OR REPLACE INTO copies VALUES (?, ?, ?, ?)", rows))
