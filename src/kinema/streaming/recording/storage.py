"""The folder of a recorder: one process in it, a limit of its size, and what happens when the disk is full."""

from __future__ import annotations

import errno
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from kinema.errors import KinemaError, UsageError, first_line

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_RECORDED = (".mp4", ".jpg", ".json")
_TRY_AGAIN = 5.0  # seconds
_LOOK_AGAIN = 10.0  # seconds


class Storage:
    """Keeps the folders of one recorder below `limit` bytes and says when it may write.

    Files of one stem belong together, are as old as the newest of them, and are deleted together. `reserve`: bytes that
    stay free on the disk for others. `tell` takes lines for the user: at the first deletion, when the disk is full, and
    when it works again.
    """

    def __init__(
        self, folders: list[Path], limit: int | None, reserve: int, tell: Callable[[str], None]
    ) -> None:
        self.folders, self.limit, self.reserve = folders, limit, reserve
        self._tell = tell
        self._lock: FileLock | None = None
        self._paused_at: float | None = None
        self._told_full = False
        self._told_deleting = False
        self._looked_at = -_LOOK_AGAIN

    def open(self) -> None:
        """Make the folders, lock them for this process and remove what a killed one has left half-written.

        Raises `UsageError` when another process records there, `KinemaError` when the folder cannot be written.
        """
        first = self.folders[0]
        try:
            for folder in self.folders:
                folder.mkdir(parents=True, exist_ok=True)
            # A lock goes with its process, however that ends.
            self._lock = FileLock(first / ".recording.lock", timeout=0, thread_local=False)
            self._lock.acquire()
        except Timeout:
            self._lock = None
            raise UsageError(
                f"{first}: another process records there; give this one a folder of its own"
            ) from None
        except OSError as error:
            raise KinemaError(
                f"{first}: cannot be written: {error.strerror or error}; give another folder"
            ) from error
        for folder in self.folders:
            for path in folder.glob(".*"):
                if path.suffix in _RECORDED:
                    path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let other processes record there."""
        if self._lock is not None:
            self._lock.release()

    def may_write(self) -> bool:
        """Whether something new may be begun; looks at the disk at most every few seconds while that is full."""
        now = time.monotonic()
        if self._paused_at is not None and now - self._paused_at < _TRY_AGAIN:
            return False
        try:
            free = shutil.disk_usage(self.folders[0]).free
        except OSError as error:
            self.pause(error)
            return False
        if free < self.reserve:
            self.pause(None)
            return False
        self._paused_at = None
        return True

    def pause(self, error: Exception | None) -> None:
        """Note that something could not be written, and tell it unless that was told; None: too little room is left."""
        self._paused_at = time.monotonic()
        if self._told_full:
            return
        self._told_full = True
        cause = error.__cause__ if isinstance(error, KinemaError) and error.__cause__ else error
        folder = self.folders[0]
        if error is None:
            reason = f"less than {self.reserve / 1e6:.0f} MB are free"
        elif getattr(cause, "errno", None) in _NO_ROOM:
            reason = "the disk is full"
        else:
            reason = first_line(error).removeprefix(f"{folder}: ")
        self._tell(f"{folder}: {reason}; recording pauses and goes on when there is room")

    def wrote(self) -> None:
        """Note that something was written whole."""
        if self._told_full:
            self._told_full = False
            self._tell(f"{self.folders[0]}: there is room again; recording goes on")

    def prune(self, busy: Collection[str], *, now: bool = False) -> None:
        """Delete the oldest recordings until the folders are below the limit; never the stems `busy` nor the newest.

        Looks at the folders at most every ten seconds, unless `now`.
        """
        if self.limit is None or (not now and time.monotonic() - self._looked_at < _LOOK_AGAIN):
            return
        self._looked_at = time.monotonic()
        groups: defaultdict[str, list[Path]] = defaultdict(list)
        sizes: defaultdict[str, int] = defaultdict(int)
        ages: defaultdict[str, float] = defaultdict(float)
        total = 0
        for folder in self.folders:
            for path in folder.iterdir():
                with suppress(OSError):  # a file that was just renamed
                    status = path.stat()
                    total += status.st_size
                    if path.suffix in _RECORDED and not path.name.startswith("."):
                        stem = path.name.partition(".")[0]
                        groups[stem].append(path)
                        sizes[stem] += status.st_size
                        ages[stem] = max(ages[stem], status.st_mtime_ns)
        free = [stem for stem in sorted(groups, key=lambda stem: (ages[stem], stem)) if stem not in busy]
        for stem in free[: len(free) - (not busy)]:
            if total <= self.limit:
                return
            for path in groups[stem]:
                path.unlink(missing_ok=True)
            total -= sizes[stem]
            if not self._told_deleting:
                self._told_deleting = True
                self._tell(
                    f"{self.folders[0]}: over its limit of {self.limit / 1e9:g} GB; the oldest recordings are being deleted"
                )
