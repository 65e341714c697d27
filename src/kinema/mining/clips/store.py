"""ScoreStore: the score curves of videos by content, and which clips were cut: what makes mining go on where it stopped."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from kinema.errors import DataError, KinemaError, first_line
from kinema.mining.clips.curve import ScoreCurve

VERSION = 2
"""Raised when the curve of the same video changes."""
_TABLES = (
    "create table if not exists curves (key text primary key, made text not null, curve blob not null)",
    "create table if not exists clips (name text primary key, key text not null, size integer not null, about text not null)",
)


class ScoreStore:
    """One SQLite file; every entry is there whole or not at all, also after a kill. A context manager.

    Raises `DataError` for a file that is none of these, `KinemaError` for one that cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._said():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(path, timeout=60)
            with self._base:
                for table in _TABLES:
                    self._base.execute(table)

    def curve(self, key: str) -> ScoreCurve | None:
        """Return the curve kept under a key (`curve_key`), None where there is none that can be read."""
        with self._said():
            row = self._base.execute("select curve from curves where key = ?", (key,)).fetchone()
        if row is None:
            return None
        try:
            return ScoreCurve.from_bytes(row[0])
        except Exception:  # damaged in one of the ways that zip and numpy know: scored again
            return None

    def keep(self, key: str, curve: ScoreCurve, made: str) -> None:
        """Keep a curve; `made` says by what, for people."""
        with self._said(), self._base:
            self._base.execute(
                "insert or replace into curves values (?, ?, ?)", (key, made, curve.to_bytes())
            )

    def forget(self, key: str) -> None:
        """Let go of a curve, if it is there."""
        with self._said(), self._base:
            self._base.execute("delete from curves where key = ?", (key,))

    def clip(self, name: str, key: str, path: Path) -> dict[str, Any] | None:
        """Return what was noted of a clip's file, None unless it is still there as it was written for this key."""
        with self._said():
            row = self._base.execute("select key, size, about from clips where name = ?", (name,)).fetchone()
        try:
            if row is None or row[0] != key or path.stat().st_size != row[1]:
                return None
        except OSError:
            return None
        about: dict[str, Any] = json.loads(row[2])
        return about

    def note_clip(self, name: str, key: str, path: Path, about: dict[str, Any]) -> None:
        """Note that a clip's file is written."""
        entry = (name, key, path.stat().st_size, json.dumps(about))
        with self._said(), self._base:
            self._base.execute("insert or replace into clips values (?, ?, ?, ?)", entry)

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    def __enter__(self) -> ScoreStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            text = first_line(error)
            if "not a database" in text or "malformed" in text:
                raise DataError(
                    f"{self.path}: not a file of score curves ({text}); give --cache-file another name"
                ) from error
            if "no such column" in text or "has no column" in text:
                raise DataError(
                    f"{self.path}: a database of something else; give --cache-file another name"
                ) from error
            raise KinemaError(f"{self.path}: score curves cannot be kept here ({text})") from error
        except OSError as error:
            raise KinemaError(f"{self.path}: cannot be written: {error.strerror or error}") from error


def curve_key(content: str, scorer: str, **settings: Any) -> str:
    """Return under which key a curve is kept: the video's content, the scorer's fingerprint, how frames are taken."""
    told = [VERSION, content, scorer, settings]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def locked(folder: Path) -> Any:
    """Take a folder of results for this process alone; `KinemaError` where another has it, or it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(str(folder / ".mining.lock")).acquire(timeout=0)
    except Timeout as error:
        raise KinemaError(
            f"{folder}: another kinema mines into it; wait, or choose another folder"
        ) from error
    except OSError as error:
        raise KinemaError(
            f"{folder}: cannot be written: {error.strerror or error}; choose another folder"
        ) from error
