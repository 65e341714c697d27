"""Videos in object stores, read through local copies.

In kinema a stored video is known by the path of its copy, whether the copy is there yet or not: `copy_path` and
`address_of` lead from one to the other. `open_source` brings the copy before it opens it and keeps it while it is open;
whoever opens files in another way does so inside `held`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from kinema.files import cache_folder, content_hash
from kinema.video.copies import Copies, Lease
from kinema.video.file_source import FileSource
from kinema.video.object_store import connect
from kinema.video.playback import DecodedPicture
from kinema.video.store_errors import UnreachableError
from kinema.video.stored import Address, is_address

__all__ = [
    "StoredSource",
    "address_of",
    "copy_path",
    "held",
    "identity",
    "is_address",
    "local_path",
    "video_hash",
]

_UNFIT = re.compile(r'[%<>:"|?*\\\x00-\x1f]')  # characters that some file system refuses
_WHOLE = {"": "%", ".": "%2E", "..": "%2E%2E"}


def copy_path(address: str) -> Path:
    """Return where the copy of a stored video lies, or will: nothing is asked or fetched.

    >>> copy_path("s3://bucket/walk/1.mp4").parts[-4:]
    ('s3', 'bucket', 'walk', '1.mp4')

    Raises `UsageError` for what is no address.
    """
    parsed = Address.parse(address)
    parts = [_quoted(part) for part in (parsed.scheme, parsed.bucket, *parsed.key.split("/"))]
    return _folder().joinpath(*parts)


def address_of(path: str | os.PathLike[str]) -> str | None:
    """Return the address of the video whose copy a path is; None for any other path."""
    path, folder = Path(path), _folder()
    if not path.is_relative_to(folder):
        folder = _resolved(folder)
        if not path.is_relative_to(folder):
            return None
    parts = path.relative_to(folder).parts
    if len(parts) < 3 or parts[0].startswith("."):
        return None
    scheme, bucket, *key = (_unquoted(part) for part in parts)
    return f"{scheme}://{bucket}/{'/'.join(key)}"


def local_path(address: str) -> Path:
    """Bring the copy of a stored video and return its path; it stays until others need the room (see `held`).

    Raises what `open_source` raises for a stored video.
    """
    with held(copy_path(address)) as path:
        return path


@contextmanager
def held(path: Path) -> Iterator[Path]:
    """Bring the copy that a path means and keep it there for the block; any other path is left as it is.

    Raises `DataError` for an object that is not there, `StoreError` when the store refuses or does not answer.
    """
    address = address_of(path)
    if address is None:
        yield path
        return
    lease = _lease(address)
    try:
        yield lease.path
    finally:
        lease.close()


def video_hash(path: Path) -> str:
    """Return the SHA-256 of a video's bytes; for a stored one from its store's index, else from its copy.

    Raises what `held` raises, `OSError` for a file that cannot be read.
    """
    address = address_of(path)
    if address is not None:
        parsed = Address.parse(address)
        store = connect(parsed)
        known = store.sha256(parsed.key, store.look(parsed.key))
        if known is not None:
            return known
    with held(path) as local:
        return content_hash(local)


def identity(path: Path) -> str:
    """Return a word for the content of a stored video without fetching it.

    It is the SHA-256 of the bytes where `kinema data upload` noted it, else the store's version and the size.

    Raises what `held` raises, `ValueError` for the path of no copy.
    """
    address = address_of(path)
    if address is None:
        raise ValueError(f"{path} is no copy of a stored video")
    parsed = Address.parse(address)
    store = connect(parsed)
    stored = store.look(parsed.key)
    known = store.sha256(parsed.key, stored) or (stored.version and f"{stored.version} {stored.size}")
    return known or video_hash(path)


class StoredSource(FileSource):
    """A video in an object store. Its `name` is the path of the copy, which stays there until `close`."""

    def __init__(self, address: str, *, threads: int | None = None) -> None:
        """Bring the copy and open it. Raises `DataError`, `StoreError`."""
        self.address = address
        self._lease = _lease(address)
        try:
            super().__init__(str(self._lease.path), threads=threads)
        except BaseException:
            self._lease.close()
            raise

    def pictures(self, start: float, end: float | None) -> Generator[DecodedPicture]:
        if self._lease.closed:
            self._lease = _lease(self.address)
        yield from super().pictures(start, end)

    def close(self) -> None:
        super().close()
        self._lease.close()


def _lease(address: str) -> Lease:
    parsed = Address.parse(address)
    path, copies = copy_path(address), Copies(_folder())
    store = connect(parsed)
    try:
        store.look(parsed.key)
    except UnreachableError:
        # Away from the network, what is here serves.
        lease = copies.take(path) if copies.version(path) is not None else None
        if lease is None:
            raise
        return lease
    while True:
        wanted = store.look(parsed.key).version
        lease = copies.take(path) if copies.version(path) == wanted else None
        if lease is not None:
            return lease
        with copies.arriving(path):
            if copies.version(path) == wanted:  # another brought it meanwhile
                continue
            try:
                copies.promise(path, store.look(parsed.key).size)
                part, stored = store.bring(parsed.key, copies.parts)
                return copies.place(part, path, stored)
            except BaseException:
                with suppress(Exception):
                    copies.withdraw(path)
                raise


def _folder() -> Path:
    return cache_folder().absolute() / "videos"


@lru_cache(maxsize=16)
def _resolved(folder: Path) -> Path:
    return folder.resolve()


def _quoted(part: str) -> str:
    return _WHOLE.get(part) or _UNFIT.sub(lambda match: f"%{ord(match[0]):02X}", part)


def _unquoted(part: str) -> str:
    return "" if part == "%" else re.sub("%([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), part)
