"""Where a review is kept: what any such place can do, and one in a file that grows by a line a decision."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from kinema.errors import DataError, KinemaError, UsageError
from kinema.mining.review.candidate import Candidate
from kinema.mining.review.decision import Decision, Verdict, as_meant, last_of


class ReviewBook(Protocol):
    """Clips up for review and every decision on them, oldest first; nothing in it is ever changed."""

    def candidates(self) -> list[Candidate]:
        """Return the clips."""

    def records(self) -> list[Decision]:
        """Return all records, undone ones and undos too."""

    def decide(self, clip: str, reviewer: str, verdict: Verdict, label: str = "") -> Decision:
        """Add a decision and return it. Raises `UsageError` for an unknown clip and an impossible decision."""

    def undo(self, reviewer: str) -> Decision | None:
        """Take back the reviewer's last decision that stands, and return it; None where there is none."""


class ReviewFile:
    """A book in a file: a JSON line a decision, on disk when `decide` returns; several processes may write to it.

    What a killed process left of a last line is cut off. Raises `DataError` for a file that is no book.
    """

    def __init__(self, path: str | os.PathLike[str], candidates: Sequence[Candidate]) -> None:
        self.path = Path(path)
        self._candidates = {candidate.uid: candidate for candidate in candidates}

    def candidates(self) -> list[Candidate]:
        """Return the clips."""
        return list(self._candidates.values())

    def records(self) -> list[Decision]:
        """Return all records."""
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read: {error.strerror}") from error
        found = []
        for number, line in enumerate(lines[:-1], 1):  # after the last newline: nothing, or half a line
            try:
                found.append(Decision.from_dict(json.loads(line)))
            except (ValueError, AttributeError, TypeError, DataError) as error:
                raise DataError(f"{self.path}: line {number}: {error}") from error
        return found

    def decide(self, clip: str, reviewer: str, verdict: Verdict, label: str = "") -> Decision:
        """Add a decision."""
        if clip not in self._candidates:
            raise UsageError(f"{self.path}: no clip {clip!r} in this review")
        if verdict is Verdict.UNDO:
            raise UsageError(f"{self.path}: use undo() to take a decision back")
        decision = Decision(clip, reviewer, *as_meant(self._candidates[clip].label, verdict, label))
        with self._locked():
            self._append(decision)
        return decision

    def undo(self, reviewer: str) -> Decision | None:
        """Take back the reviewer's last decision that stands."""
        with self._locked():
            last = last_of(self.records(), reviewer)
            if last is not None:
                self._append(Decision(last.clip, reviewer, Verdict.UNDO, undoes=last.id))
        return last

    def _locked(self) -> _Lock:
        return _Lock(self.path)

    def _append(self, decision: Decision) -> None:
        line = json.dumps(decision.to_dict(), ensure_ascii=False).encode() + b"\n"
        try:
            descriptor = os.open(
                self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666
            )
            try:
                _cut_half_a_line(descriptor)
                before = os.fstat(descriptor).st_size
                try:
                    if os.write(descriptor, line) < len(line):
                        raise OSError(28, "No space left on device")
                    os.fsync(descriptor)
                except OSError:
                    with suppress(OSError):
                        os.ftruncate(descriptor, before)
                    raise
            finally:
                os.close(descriptor)
        except OSError as error:
            raise KinemaError(f"{self.path}: cannot be written: {error.strerror or error}") from error


class _Lock:
    """The lock of a book's file, which lies beside it."""

    def __init__(self, path: Path) -> None:
        from filelock import FileLock

        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise KinemaError(f"{path}: cannot be written: {error.strerror or error}") from error
        self._path = path
        self._lock = FileLock(str(path.with_name(f".{path.name}.lock")), timeout=30)

    def __enter__(self) -> None:
        try:
            self._lock.acquire()
        except TimeoutError as error:
            raise KinemaError(
                f"{self._path}: another process has held it for 30 s; end it and try again"
            ) from error
        except OSError as error:
            raise KinemaError(f"{self._path}: cannot be written: {error.strerror or error}") from error

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _cut_half_a_line(descriptor: int) -> None:
    size = os.fstat(descriptor).st_size
    keep = size
    while keep:
        start = max(0, keep - 65536)
        os.lseek(descriptor, start, os.SEEK_SET)
        piece = os.read(descriptor, keep - start)
        newline = piece.rfind(b"\n")
        if newline >= 0:
            keep = start + newline + 1
            break
        keep = start
    if keep < size:
        os.ftruncate(descriptor, keep)
