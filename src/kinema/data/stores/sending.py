"""Data sets into object stores: only what changed travels, and a broken upload is gone on with."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from kinema.data.fetch.side_by_side import Ended
from kinema.data.manifest import Manifest
from kinema.data.stores.names import manifest_name, plan_folder, plan_manifest
from kinema.data.stores.transfer import SAVED_EVERY, Progress, Tally, each, folder_address, has_md5, key_of
from kinema.data.wording import count
from kinema.errors import DataError
from kinema.files import content_hash
from kinema.video.object_store import Store, connect
from kinema.video.stored import Index, IndexEntry


@dataclass(frozen=True, slots=True)
class Uploaded:
    """The outcome of an upload: files sent and their bytes, files that the store had, the manifest's address."""

    sent: int
    present: int
    bytes: int
    address: str
    manifest: str | None = None


def upload(
    data: Manifest | str | os.PathLike[str],
    url: str,
    *,
    endpoint: str | None = None,
    connections: int = 4,
    progress: Progress | None = None,
) -> Uploaded:
    """Send a folder, or a manifest and the videos that it names, to `s3://bucket/prefix`.

    The manifest is rewritten to names relative to the prefix (see `kinema.data.stores.names`). A file is sent unless
    the store has the same bytes: by size and SHA-256 in `kinema-index.json` below the prefix, as long as the store's
    version (ETag) is the noted one, or by MD5 where the ETag is one. Nothing is ever deleted. The manifest goes after
    the videos and the index last; the index is also saved on the way, and when the upload breaks off, so that another
    call goes on. `connections` files travel at a time.

    Raises `DataError` for files that are missing or change meanwhile, `StoreError` when the store refuses or does not
    answer, `UsageError` for what is no address.
    """
    address = folder_address(url)
    with TemporaryDirectory(prefix="kinema-") as scratch:
        if isinstance(data, Manifest):
            files, table = plan_manifest(data, Path(scratch)), manifest_name(data)
        else:
            files, table = plan_folder(Path(data)), None
            table = "manifest.csv" if "manifest.csv" in files else None
        sender = _Upload(connect(address, endpoint), address.key, files, table, progress)
        sent, present, moved = sender.run(connections)
    return Uploaded(sent, present, moved, str(address), f"{address}/{table}" if table else None)


class _Upload:
    def __init__(
        self,
        store: Store,
        prefix: str,
        files: dict[str, Path],
        manifest: str | None,
        progress: Progress | None,
    ) -> None:
        self._store, self._prefix, self._files = store, prefix, files
        self._there = store.objects(prefix)
        before = store.index(prefix, fresh=True)
        self._manifest = manifest or before.manifest
        self._entries = {
            name: entry
            for name, entry in before.files.items()
            if name in self._there and entry.fits(self._there[name])
        }
        self._before = before
        self._tally = Tally(progress, sum(path.stat().st_size for path in files.values()))
        self._lock = threading.Lock()
        self._saved = time.monotonic()
        self._bytes = 0

    def run(self, connections: int) -> tuple[int, int, int]:
        sent, faults = 0, list[DataError]()

        def handle(one: Ended[str, bool]) -> None:
            nonlocal sent
            try:
                sent += one.get()
            except DataError as error:
                faults.append(error)

        last = [name for name in self._files if name == self._manifest]
        try:
            # A manifest that others can see must not name what is not there yet.
            each(self._one, [name for name in self._files if name not in last], connections, handle)
            if not faults:
                each(self._one, last, 1, handle)
        finally:
            self._save()
        if faults:
            more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
            raise DataError(f"{faults[0]}{more}; {count(sent, 'file')} sent, run again for the rest")
        return sent, len(self._files) - sent, self._bytes

    def _one(self, name: str, stop: threading.Event) -> bool:
        path = self._files[name]
        try:
            before = path.stat()
            digest = content_hash(path)
            if self._has(name, path, before.st_size, digest):
                self._tally.add(before.st_size)
                return False
            stored = self._store.send(path, key_of(self._prefix, name), self._tally.add)
            after = path.stat()
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise DataError(f"{path}: changed while it was sent")
        with self._lock:
            self._bytes += before.st_size
            self._entries[name] = IndexEntry(stored.size, stored.version, digest)
            due = time.monotonic() - self._saved > SAVED_EVERY
        if due:
            self._save()
        return True

    def _has(self, name: str, path: Path, size: int, digest: str) -> bool:
        stored = self._there.get(name)
        if stored is None or stored.size != size:
            return False
        entry = self._entries.get(name)
        if entry is None and has_md5(path, stored):
            with self._lock:
                self._entries[name] = IndexEntry(stored.size, stored.version, digest)
            return True
        return entry is not None and entry.sha256 == digest

    def _save(self) -> None:
        with self._lock:
            self._saved = time.monotonic()
            index = Index(dict(self._entries), self._manifest)
            if index != self._before:
                self._store.write_index(self._prefix, index)
                self._before = index
