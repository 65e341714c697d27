"""Content hashes of videos, remembered by path, size and time of change, so that large files are read once."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from kinema.files import cache_folder, content_hash


class ContentHashes:
    """SHA-256 of files and frame folders; an SQLite file in the cache folder remembers them between runs."""

    def __init__(self) -> None:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "content.sqlite"
        self._known: dict[Path, str] = {}
        with closing(self._connect()) as connection, connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS content (path TEXT PRIMARY KEY, stamp TEXT, hash TEXT)"
            )

    def __call__(self, path: Path) -> str:
        """Return the hash of a file's bytes, or of all names and bytes in a folder."""
        path = path.resolve()
        if path in self._known:
            return self._known[path]
        stamp = _stamp(path)
        with closing(self._connect()) as connection, connection:
            row = connection.execute(
                "SELECT stamp, hash FROM content WHERE path = ?", (str(path),)
            ).fetchone()
            if row is not None and row[0] == stamp:
                found = str(row[1])
            else:
                found = content_hash(path)
                connection.execute(
                    "INSERT OR REPLACE INTO content VALUES (?, ?, ?)", (str(path), stamp, found)
                )
        self._known[path] = found
        return found

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=60)


def _stamp(path: Path) -> str:
    if not path.is_dir():
        status = path.stat()
        return f"{status.st_size} {status.st_mtime_ns}"
    entries = sorted((p.name, p.stat()) for p in path.rglob("*") if p.is_file())
    newest = max((status.st_mtime_ns for _, status in entries), default=0)
    return f"{len(entries)} {sum(status.st_size for _, status in entries)} {newest}"
