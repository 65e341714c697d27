"""Objects in stores (S3 and what speaks like it, Google, Azure) through fsspec: what they are, to and fro."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from io import FileIO
from pathlib import Path
from typing import Any

from kinema.errors import DataError, KinemaError, UsageError
from kinema.files import content_hash
from kinema.video.store_errors import ChangedError, DiskError, UnreachableError, translated
from kinema.video.stored import INDEX, Address, Index, StoredObject

_VERSIONS = ("etag", "generation", "md5hash", "last_modified", "lastmodified", "updated", "mtime", "created")
_CHUNK = 8 << 20  # bytes a request: what a broken connection can cost
_SINGLE = 8  # objects of a folder that are asked for one by one, before the folder is listed
_DOWN = 30.0  # seconds for which a store that did not answer is not asked again
_MOST_CHANGES = 3


class Store:
    """One bucket. What its objects are is asked once a process: a run sees one version of each.

    Every method raises `UnreachableError` when the service does not answer, `StoreError` when it refuses (no
    credentials, no such bucket, access denied), `DataError` for an object that is not there or cannot be had.
    Credentials are those that the store's own library finds: environment, profile, role of the machine.
    """

    def __init__(self, scheme: str, bucket: str, endpoint: str | None = None) -> None:
        """Raises `UsageError` when the library of the store is not installed."""
        self.address = f"{scheme}://{bucket}"
        self._endpoint = endpoint
        self._fs = _filesystem(scheme, endpoint)
        self._root = str(self._fs._strip_protocol(self.address)).rstrip("/")
        self._lock = threading.RLock()
        self._seen: dict[str, StoredObject] = {}
        self._indexes: dict[str, Index] = {}
        self._asked: Counter[str] = Counter()
        self._listed: set[str] = set()
        self._down: tuple[float, UnreachableError] | None = None
        self._answered = False

    def look(self, key: str) -> StoredObject:
        """Return what an object is, remembered within the process; many of a folder cost one listing."""
        with self._lock:
            if key in self._seen:
                return self._seen[key]
            folder = key.rpartition("/")[0]
            self._asked[folder] += 1
            if self._asked[folder] > _SINGLE and folder not in self._listed:
                self._listed.add(folder)
                self._seen |= self._children(folder)
                if key in self._seen:
                    return self._seen[key]
        found = self.ask(key)
        with self._lock:
            return self._seen.setdefault(key, found)

    def ask(self, key: str) -> StoredObject:
        """Return what an object is now."""
        if not key or key.endswith("/"):
            raise DataError(f"{self.address}/{key}: names a folder; name a video in it")
        info = self._call(key, lambda: self._fs.info(f"{self._root}/{key}"))
        if info.get("type") == "directory":
            raise DataError(
                f"{self.address}/{key}: a folder, not a video; frame folders are not read from a store: "
                "fetch it with kinema data fetch"
            )
        return _described(info)

    def objects(self, prefix: str) -> dict[str, StoredObject]:
        """Return all objects below a prefix, by their names relative to it, sorted."""
        where = self._path(prefix)
        found = self._call(prefix, lambda: self._fs.find(where, detail=True), absent={})
        names = {
            str(n).removeprefix(f"{where}/"): i for n, i in found.items() if str(n).startswith(f"{where}/")
        }
        kept = {n: i for n, i in names.items() if n and i.get("type") == "file" and not n.endswith("/")}
        return {name: _described(kept[name]) for name in sorted(kept)}

    def index(self, prefix: str, fresh: bool = False) -> Index:
        """Return the index of a prefix, an empty one where there is none."""
        with self._lock:
            if fresh or prefix not in self._indexes:
                where = f"{self._path(prefix)}/{INDEX}"
                try:
                    data = self._call(where, lambda: self._fs.cat_file(where, start=0), absent=b"")
                except ChangedError:  # an empty object has no byte to start from
                    data = b""
                self._indexes[prefix] = Index.from_json(data)
            return self._indexes[prefix]

    def write_index(self, prefix: str, index: Index) -> None:
        """Put the index of a prefix in place."""
        where = f"{self._path(prefix)}/{INDEX}"
        self._call(where, lambda: self._fs.pipe_file(where, index.to_json()))
        with self._lock:
            self._indexes[prefix] = index

    def sha256(self, key: str, stored: StoredObject) -> str | None:
        """Return the hash of an object's bytes where `kinema data upload` noted it, in any folder above."""
        parts = key.split("/")
        for depth in range(len(parts) - 1, -1, -1):
            try:
                index = self.index("/".join(parts[:depth]))
            except UnreachableError:
                raise
            except KinemaError:  # the right to read the object does not give that to read its neighbours
                self._indexes["/".join(parts[:depth])] = index = Index({})
            entry = index.files.get("/".join(parts[depth:]))
            if entry is not None and entry.fits(stored):
                return entry.sha256
        return None

    def send(self, path: Path, key: str, moved: Callable[[int], None] | None = None) -> StoredObject:
        """Put a file in the store and return what it is there; `moved(bytes)` is told of each part."""
        from fsspec.callbacks import Callback

        class Moved(Callback):
            def relative_update(self, inc: int = 1) -> None:
                if moved:
                    moved(inc)

        self._call(key, lambda: self._fs.put_file(str(path), f"{self._root}/{key}", callback=Moved()))
        stored = self.ask(key)
        with self._lock:
            self._seen[key] = stored
        return stored

    def bring(
        self,
        key: str,
        folder: Path,
        moved: Callable[[int], None] | None = None,
        stop: threading.Event | None = None,
    ) -> tuple[Path, StoredObject]:
        """Download an object to a file in `folder` and return both; the file is whole and checked.

        What an earlier call left there unfinished is gone on with. An object that changes meanwhile is begun
        anew. `moved(bytes)` is told of each part; `stop` ends the call with `InterruptedError`.
        """
        reason = "changes while it is read; try again when nobody writes to it"
        for _ in range(_MOST_CHANGES):
            stored = self.look(key)
            name = hashlib.sha256(f"{self.address}/{key}\0{stored.version}".encode()).hexdigest()
            part = folder / f"{name[:40]}.part"
            known = self.sha256(key, stored)
            try:
                self._append(key, stored.size, part, moved, stop)
                same = known is not None and content_hash(part) == known
                # Without a noted hash, the same version before and after vouches for what came between.
                if same or (known is None and self.ask(key) == stored):
                    return part, stored
            except ChangedError:
                known = None
            if moved:
                moved(-part.stat().st_size)
            part.unlink(missing_ok=True)
            with self._lock:
                self._seen[key] = now = self.ask(key)
            if known is not None and now == stored:
                reason = "its bytes are not those that were uploaded (SHA-256 differs); upload it again"
        raise DataError(f"{self.address}/{key}: {reason}")

    def _append(
        self,
        key: str,
        size: int,
        part: Path,
        moved: Callable[[int], None] | None,
        stop: threading.Event | None,
    ) -> None:
        where = f"{self._root}/{key}"
        with _appending(part) as out:
            have = out.tell()
            if moved:
                moved(have)
            while have < size:
                if stop is not None and stop.is_set():
                    raise InterruptedError(f"{self.address}/{key}")
                start, end = have, min(have + _CHUNK, size)
                data = self._call(key, lambda: self._fs.cat_file(where, start=start, end=end))  # noqa: B023
                if not data:
                    raise ChangedError(f"{self.address}/{key}")
                rest = memoryview(data)
                while rest:
                    rest = rest[out.write(rest) :]
                have += len(data)
                if moved:
                    moved(len(data))
        if have > size:
            raise ChangedError(f"{self.address}/{key}")

    def _children(self, folder: str) -> dict[str, StoredObject]:
        where = self._path(folder)
        try:
            found = self._call(folder, lambda: self._fs.ls(where, detail=True), absent=[])
        except UnreachableError:
            raise
        except KinemaError:  # the right to read objects does not give the right to list them
            return {}
        names = {str(i["name"]).removeprefix(f"{self._root}/"): i for i in found if i["type"] == "file"}
        return {name: _described(info) for name, info in names.items()}

    def _path(self, prefix: str) -> str:
        return f"{self._root}/{prefix}".rstrip("/")

    def _call(self, key: str, action: Callable[[], Any], absent: Any = None) -> Any:
        if self._down is not None and time.monotonic() < self._down[0]:
            raise self._down[1]
        try:
            result = action()
        except Exception as error:
            fault = translated(error, self.address, key, self._endpoint, self._answered)
            if isinstance(fault, DataError) and isinstance(error, FileNotFoundError):
                self._answered = True
                if absent is not None:
                    return absent
            if isinstance(fault, UnreachableError):
                self._down = (time.monotonic() + _DOWN, fault)
            raise fault from error
        self._answered, self._down = True, None
        return result


@contextmanager
def _appending(part: Path) -> Iterator[FileIO]:
    """Open a file at its end. Unbuffered: what has come is on the disk even if the process is killed."""
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab", buffering=0) as out:
            yield out
    except InterruptedError:
        raise
    except OSError as error:
        raise DiskError(
            f"{part.parent}: cannot be written: {error.strerror or error}; mend that and run again"
        ) from error


def connect(address: Address, endpoint: str | None = None) -> Store:
    """Return the connection to an address's bucket: one for each process, endpoint and set of AWS_… variables.

    `endpoint`: address of an S3 service (default: `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, Amazon's).
    """
    endpoint = endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    settings = tuple(sorted((k, v) for k, v in os.environ.items() if k.startswith("AWS_")))
    return _connected(address.scheme, address.bucket, endpoint, settings, os.getpid())


@lru_cache(maxsize=64)
def _connected(scheme: str, bucket: str, endpoint: str | None, settings: object, process: int) -> Store:
    return Store(scheme, bucket, endpoint if scheme in ("s3", "s3a") else None)


def _filesystem(scheme: str, endpoint: str | None) -> Any:
    try:
        import fsspec

        # Listings are remembered here, by version; the library's own memory would hide changes.
        options: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
        if endpoint:
            options["endpoint_url"] = endpoint
        return fsspec.filesystem(scheme, **options)
    except ImportError as error:
        if scheme in ("s3", "s3a") or "fsspec" in str(error):
            raise UsageError(
                f"{scheme}:// needs the download extra; pip install 'kinema[download]'"
            ) from error
        raise UsageError(f"{scheme}:// needs another library: {' '.join(str(error).split())}") from error


def _described(info: dict[str, Any]) -> StoredObject:
    lower = {str(name).lower(): value for name, value in info.items()}
    version = next((str(lower[name]) for name in _VERSIONS if lower.get(name)), "")
    return StoredObject(int(lower.get("size") or 0), version.strip('"'))
