"""Local copies of stored videos: below a limit, the least recently used given up first, never one in use.

Any number of processes share the folder. A copy is there whole or not at all: it is downloaded under another name
in `.parts` and renamed. A reader holds a shared lock on the open file (on Windows the open file itself); who wants to
remove a copy must get the exclusive one. `CopyTable` remembers the version of each copy, and what was promised to those
on their way.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from kinema.errors import KinemaError, UsageError
from kinema.video.copy_table import CopyTable
from kinema.video.store_errors import DiskError, StoreError
from kinema.video.stored import StoredObject

if sys.platform != "win32":
    import fcntl

_DEFAULT_GB = 20.0
_DISK_RESERVE = 64 << 20  # bytes of the disk that the cache leaves to others
_STALE = 24 * 3600.0  # seconds after which an unfinished download is given up
_PATIENCE = 60.0  # seconds to wait for others to let go of a copy that the store has changed


class Lease:
    """A copy that nobody may remove until `close`."""

    def __init__(self, path: Path, descriptor: int, copies: Copies | None = None) -> None:
        self.path = path
        self._descriptor: int | None = descriptor
        self._copies = copies

    @classmethod
    def take(cls, path: Path) -> Lease | None:
        """Return a lease on the file, None when it is not there (any more)."""
        try:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except FileNotFoundError:
            return None
        _lock(descriptor, exclusive=False)
        lease = cls(path, descriptor)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return lease
        lease.close()  # removed between opening and locking
        return None

    @property
    def closed(self) -> bool:
        """Whether the copy may be removed."""
        return self._descriptor is None

    def close(self) -> None:
        """Let go of the copy; where it stood above the limit, it may be removed at once."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        os.close(descriptor)
        if self._copies is not None:
            with suppress(KinemaError, OSError):  # the next who needs room tries again
                self._copies.make_room(0)


class Copies:
    """The copies below `folder`; `limit` bytes in all (default: `KINEMA_STORE_CACHE_GB`, 20 GB).

    What is in use at one moment may pass the limit; it goes down to it as soon as it is let go.
    """

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        self._folder = folder
        self.limit = cache_limit() if limit is None else limit
        self.parts = folder / ".parts"
        try:
            self.parts.mkdir(parents=True, exist_ok=True)
            (folder / ".locks").mkdir(exist_ok=True)
        except OSError as error:
            why = error.strerror or error
            raise DiskError(f"{folder}: the cache cannot be written ({why}); set KINEMA_CACHE") from error
        self._table = CopyTable(folder)

    def version(self, path: Path) -> str | None:
        """Return the version of a copy that is whole, None when there is none."""
        row = self._table.get(self._name(path))
        with suppress(OSError):
            status = path.stat()
            if row is not None and (row[0], row[2]) == (status.st_size, status.st_mtime_ns):
                return str(row[1])
        return None

    def take(self, path: Path) -> Lease | None:
        """Return a lease on a copy and note that it is used now."""
        lease = Lease.take(path)
        if lease is not None:
            _touch(path)
        return lease

    @contextmanager
    def arriving(self, path: Path) -> Iterator[None]:
        """Hold the right to download one copy; others who want it wait."""
        with self._arrival(path):
            yield

    def promise(self, path: Path, size: int) -> None:
        """Make room for a copy and count it as there. Raises `DiskError` when the disk is too full for it."""
        self.make_room(size, coming=path)
        self._table.put(self._name(path), size, "", 0)

    def withdraw(self, path: Path) -> None:
        """Forget a promise."""
        self._table.drop(self._name(path), coming=True)

    def place(self, part: Path, path: Path, stored: StoredObject) -> Lease:
        """Move a whole download to its place and return a lease on it, held from before it can be seen."""
        lease = Lease.take(part)
        assert lease is not None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(part, path)
        except OSError as error:
            lease.close()
            raise DiskError(f"{path}: cannot be written: {error.strerror or error}") from error
        except BaseException:
            lease.close()
            raise
        _touch(path)
        try:
            self._table.put(self._name(path), stored.size, stored.version, path.stat().st_mtime_ns)
            over = sum(self._table.sizes().values()) > self.limit
        except BaseException:
            lease.close()
            with suppress(OSError):  # a copy that nobody knows of would never be given up
                path.unlink(missing_ok=True)
            raise
        return Lease(path, _handed_over(lease), self if over else None)

    def make_room(self, size: int, coming: Path | None = None) -> None:
        """Remove copies, the least recently used first, until `size` more bytes fit the limit and the disk.

        Raises `DiskError` when they do not fit the disk.
        """
        with FileLock(str(self._folder / ".locks" / "room")):
            own = None if coming is None else self._name(coming)
            kept = {name: held for name, held in self._table.sizes().items() if name != own}
            total = sum(kept.values())
            short = self._short_of_disk(size) if size else 0
            if total + size > self.limit or short:
                for name in sorted(kept, key=self._used):
                    if total + size <= self.limit and not short:
                        break
                    if self._remove(name):
                        total -= kept[name]
                        short = self._short_of_disk(size) if size else 0
                self._drop_stale_parts()
        if short:
            message = f"the disk is too full for {size / 1e6:,.1f} MB more"
            raise DiskError(f"{self._folder}: {message}; free some space or set KINEMA_CACHE to another disk")

    def _remove(self, name: str) -> bool:
        path = self._folder / name
        try:
            with self._arrival(path, timeout=0):
                with _alone(path):
                    path.unlink(missing_ok=True)
                self._table.drop(name)
                return True
        except (Timeout, OSError):  # on its way, or in use
            return False

    def _used(self, name: str) -> int:
        try:
            return (self._folder / name).stat().st_atime_ns
        except OSError:
            return 0

    def _short_of_disk(self, size: int) -> int:
        return max(0, size + _DISK_RESERVE - shutil.disk_usage(self._folder).free)

    def _drop_stale_parts(self) -> None:
        for part in self.parts.iterdir():
            with suppress(OSError):
                if time.time() - part.stat().st_mtime > _STALE:
                    part.unlink()

    def _arrival(self, path: Path, timeout: float = -1) -> FileLock:
        name = hashlib.sha256(self._name(path).encode()).hexdigest()[:40]
        return FileLock(str(self._folder / ".locks" / name), timeout=timeout)

    def _name(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()


def cache_limit() -> int:
    """Return how many bytes copies may take: `KINEMA_STORE_CACHE_GB` gigabytes, or 20.

    Raises `UsageError` for what is no positive number.
    """
    text = os.environ.get("KINEMA_STORE_CACHE_GB", "").strip()
    try:
        gigabytes = float(text) if text else _DEFAULT_GB
    except ValueError:
        gigabytes = 0.0
    if not 0 < gigabytes < float("inf"):
        raise UsageError(f"KINEMA_STORE_CACHE_GB={text}: give a number of gigabytes above 0, such as 20")
    return int(gigabytes * 1e9)


def _touch(path: Path) -> None:
    # The time of access, set by hand since disks are mounted without it; that of change tells one copy from another.
    with suppress(OSError):
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))


def _replace(part: Path, path: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            with _alone(path):
                part.replace(path)
            return
        except (BlockingIOError, PermissionError) as error:
            if isinstance(error, PermissionError) and sys.platform != "win32":
                raise
            if time.monotonic() > until:
                what = "the store has a new version of it, but the old one is being read"
                raise StoreError(f"{path}: {what}; try again when that is done") from error
        time.sleep(0.1)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Raises `BlockingIOError` while anybody reads the file. On Windows, what is open cannot be removed anyway."""
    try:
        descriptor = None if sys.platform == "win32" else os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        descriptor = None
    try:
        if descriptor is not None:
            _lock(descriptor, exclusive=True)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _lock(descriptor: int, *, exclusive: bool) -> None:
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB if exclusive else fcntl.LOCK_SH)
    except BlockingIOError:
        raise
    except OSError:  # a file system without locks: readers on it are safe by the descriptor that they hold
        return


def _handed_over(lease: Lease) -> int:
    descriptor, lease._descriptor = lease._descriptor, None
    assert descriptor is not None
    return descriptor
