"""LineFile: a file that grows by whole lines, whatever happens to the process or the disk."""

from __future__ import annotations

import errno
import json
import os
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

from kinema.errors import KinemaError

_PENDING = 10_000  # lines that wait for a full disk
_FLUSH_EVERY = 1.0


class LineFile:
    """A file of whole lines that is appended to; `header` (or nothing) is its first line.

    `safe`: every line is on disk when `append` returns; else within a second. `limit`: bytes after which the file is moved
    aside and begun anew; 0: none. What a full disk refuses waits and is written later. Raises `KinemaError`.
    """

    def __init__(
        self, path: Path, header: bytes = b"", *, safe: bool = False, limit: int = 0, keep: int = 0
    ) -> None:
        self.path = path
        self._header = header
        self._safe = safe
        self._limit = limit
        self._keep = keep
        self._waiting: deque[bytes] = deque()
        self._lost = 0
        self._flushed = time.monotonic()
        self._descriptor: int | None = None
        self._size = 0
        try:
            self._begin()
        except OSError as error:
            raise self._failure(error) from error

    def append(self, line: bytes) -> None:
        """Add a line, which ends with a newline."""
        self._waiting.append(line)
        while len(self._waiting) > _PENDING:
            self._waiting.popleft()
            self._lost += 1
        if self._safe or time.monotonic() - self._flushed > _FLUSH_EVERY or len(self._waiting) >= 1000:
            self.flush()

    def flush(self) -> None:
        """Write what waits. Raises `KinemaError` when the disk refuses; the file then ends with a whole line as before."""
        self._flushed = time.monotonic()
        try:
            while self._waiting:
                if self._limit and self._size >= self._limit:
                    self._rotate()
                self._write(min(len(self._waiting), 100))
        except OSError as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Write what waits and close; raises `KinemaError` that counts what is lost."""
        failure: KinemaError | None = None
        try:
            self.flush()
        except KinemaError as error:
            failure = error
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        if lost := self._lost + len(self._waiting):
            why = f"{failure}; " if failure else f"{self.path}: "
            raise KinemaError(f"{why}{lost} line{'s' * (lost != 1)} lost")

    def _write(self, count: int) -> None:
        """Write the first `count` lines that wait, all or none."""
        if self._descriptor is None:
            self._begin()
        assert self._descriptor is not None
        data = b"".join(list(self._waiting)[:count])
        before = os.fstat(self._descriptor).st_size
        try:
            written = os.write(self._descriptor, data)
            if written < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if self._safe:
                os.fsync(self._descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, before)
            raise
        self._size = before + len(data)
        for _ in range(count):
            self._waiting.popleft()

    def _begin(self) -> None:
        """Open the file: mend its last line, move it aside where its header is another, write the header."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        _mend(self.path)
        if self._header and self.path.exists() and self.path.stat().st_size:
            with self.path.open("rb") as file:
                if file.readline() != self._header:
                    self._aside()
        flags = os.O_APPEND | os.O_CREAT | os.O_RDWR | getattr(os, "O_BINARY", 0)
        descriptor = os.open(self.path, flags, 0o666)
        try:
            self._size = os.fstat(descriptor).st_size
            if self._header and not self._size:
                if os.write(descriptor, self._header) < len(self._header):
                    os.ftruncate(descriptor, 0)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                self._size = len(self._header)
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def _rotate(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._numbered(self._keep).unlink(missing_ok=True) if self._keep else self.path.unlink(
            missing_ok=True
        )
        for number in range(self._keep - 1, 0, -1):
            if self._numbered(number).exists():
                self._numbered(number).replace(self._numbered(number + 1))
        if self._keep and self.path.exists():
            self.path.replace(self._numbered(1))
        self._begin()

    def _aside(self) -> None:
        number = 1
        while self._numbered(number).exists():
            number += 1
        self.path.replace(self._numbered(number))

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.stem}-{number}{self.path.suffix}")

    def _failure(self, error: OSError) -> KinemaError:
        return KinemaError(f"{self.path}: cannot be written: {error.strerror or error}")


def _mend(path: Path) -> None:
    """Cut off what stands after the last newline, unless it is a whole JSON value whose newline alone is missing."""
    try:
        with path.open("rb+") as file:
            end = file.seek(0, os.SEEK_END)
            start, tail = end, b""
            while start > 0 and b"\n" not in tail:
                step = min(65536, start)
                start = file.seek(start - step)
                tail = file.read(step) + tail
            half = tail.rpartition(b"\n")[2]
            if not half:
                return
            if path.suffix.lower() != ".csv":
                with suppress(ValueError):
                    if isinstance(json.loads(half), dict):
                        file.seek(0, os.SEEK_END)
                        file.write(b"\n")
                        return
            file.truncate(end - len(half))
    except FileNotFoundError:
        return
