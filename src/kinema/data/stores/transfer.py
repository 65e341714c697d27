"""What sending to a store and fetching from it share: threads, counting, and telling whether bytes are the same."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from kinema.data.fetch.side_by_side import Ended, side_by_side
from kinema.errors import UsageError
from kinema.video.stored import Address, StoredObject

Progress = Callable[[int, int], None]  # bytes done, bytes in all
SAVED_EVERY = 30.0  # seconds between notes of how far a transfer is

_PATIENCE = 5.0  # seconds for which those under way are waited for when the rest has been stopped
_MD5 = re.compile(r"[0-9a-f]{32}")
_T = TypeVar("_T")


class Tally:
    """Counts bytes from several threads."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0
        self._lock = threading.Lock()

    def add(self, more: int) -> None:
        """Count more bytes, or take some back."""
        with self._lock:
            self._done += more
            if self._progress:
                self._progress(self._done, self._total)


def each(
    work: Callable[[str, threading.Event], _T],
    names: Iterable[str],
    connections: int,
    handle: Callable[[Ended[str, _T]], None],
) -> None:
    """Run `work(name, stop)` for all names, `connections` at a time; `handle` looks at each that has ended.

    What `handle` raises ends it all, as Ctrl-C does: `stop` is set, and those under way get a few seconds to end.
    """
    if connections < 1:
        raise UsageError(f"connections must be at least 1, not {connections}")
    stop = threading.Event()
    transfers = side_by_side(lambda name: work(name, stop), names, connections, stop.set, patience=_PATIENCE)
    with closing(transfers) as ended:
        for one in ended:
            handle(one)


def folder_address(url: str) -> Address:
    """Return the address of a folder, without the slash at its end. Raises `UsageError` for what is none."""
    address = Address.parse(url)
    return Address(address.scheme, address.bucket, address.key.rstrip("/"))


def key_of(prefix: str, name: str) -> str:
    """Return the key of the object that is called `name` below a prefix."""
    return f"{prefix}/{name}" if prefix else name


def has_md5(path: Path, stored: StoredObject) -> bool:
    """Whether the version can be an MD5 and is the file's; an ETag of parts or of an encrypted object is not."""
    if not _MD5.fullmatch(stored.version):
        return False
    with path.open("rb") as handle:
        digest = hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False))
    return digest.hexdigest() == stored.version
