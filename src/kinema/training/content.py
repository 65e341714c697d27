"""Content hashes of videos, remembered by path, size and time of change, so that large files are read once."""

from __future__ import annotations

import sqlite3
import warnings
from contextlib import closing
from pathlib import Path

from kinema.files import cache_folder, content_hash
from kinema.video.remote import address_of, identity


class ContentHashes:
    """SHA-256 of files and frame folders; an SQLite file in the cache folder remembers them between runs.

    That file only saves time: a damaged one is made anew, and without one that can be written files are read again;
    a warning says either.
    """

    def __init__(self) -> None:
        self._path = cache_folder() / "content.sqlite"
        self._known: dict[Path, str] = {}
        self._usable = True

    def __call__(self, path: Path) -> str:
        """Return the hash of a file's bytes, or of all names and bytes in a folder.

        For a stored video it is what its store says of the content, which fetches nothing (`identity`).
        """
        if address_of(path) is not None:
            return identity(path)
        path = path.resolve()
        if path in self._known:
            return self._known[path]
        stamp = _stamp(path)
        rows = self._run("SELECT hash FROM content WHERE path = ? AND stamp = ?", str(path), stamp)
        found = str(rows[0][0]) if rows else content_hash(path)
        if not rows:
            self._run("INSERT OR REPLACE INTO content VALUES (?, ?, ?)", str(path), stamp, found)
        self._known[path] = found
        return found

    def _run(self, statement: str, *values: str) -> list[tuple[str, ...]]:
        """Return the rows that a statement gives; none where the file cannot be used."""
        if not self._usable:
            return []
        try:
            try:
                return self._execute(statement, values)
            except sqlite3.DatabaseError as error:
                code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the extended part
                if code not in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                    raise
                warnings.warn(
                    f"{self._path}: damaged ({error}); made anew, videos are read again", stacklevel=3
                )
                for name in (self._path.name, f"{self._path.name}-journal"):
                    self._path.with_name(name).unlink(missing_ok=True)
                return self._execute(statement, values)
        except (sqlite3.Error, OSError) as error:
            self._usable = False
            warnings.warn(f"{self._path}: cannot be used ({error}); videos are read again", stacklevel=3)
            return []

    def _execute(self, statement: str, values: tuple[str, ...]) -> list[tuple[str, ...]]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._path, timeout=60)) as connection, connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS content (path TEXT PRIMARY KEY, stamp TEXT, hash TEXT)"
            )
            return connection.execute(statement, values).fetchall()


def _stamp(path: Path) -> str:
    if not path.is_dir():
        status = path.stat()
        return f"{status.st_size} {status.st_mtime_ns}"
    entries = sorted((p.name, p.stat()) for p in path.rglob("*") if p.is_file())
    newest = max((status.st_mtime_ns for _, status in entries), default=0)
    return f"{len(entries)} {sum(status.st_size for _, status in entries)} {newest}"
