"""Data sets out of object stores: only what changed travels, and a broken download is gone on with."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
import time
from pathlib import Path
from typing import Any

from kinema.data.fetch.failures import FAILURES, Failure, Fetched, write_failures
from kinema.data.fetch.side_by_side import Ended
from kinema.data.stores.transfer import SAVED_EVERY, Progress, Tally, each, folder_address, has_md5, key_of
from kinema.errors import DataError, KinemaError
from kinema.files import content_hash, write_json
from kinema.video.object_store import Store, connect
from kinema.video.stored import INDEX, Address, StoredObject

_BOOKS = ".kinema-store"  # folder, in that of a fetch, of unfinished downloads and of what came from where


def fetch_store(
    url: str,
    out: Path,
    *,
    connections: int = 4,
    progress: Progress | None = None,
    endpoint: str | None = None,
) -> Fetched:
    """Download everything below `s3://bucket/prefix` to the folder `out`; the store wins over local changes.

    A file that is there stays when it is what came from this version of the object, or has the SHA-256 of the index,
    or the MD5 that the ETag is. Others are downloaded under another name, checked, and renamed; what breaks off is
    gone on with by another call. `connections` files travel at a time; `progress(done, total)` counts bytes. What
    cannot be had is listed in `fetch-failures.csv`; nothing that is only local is deleted.

    Raises `DataError` when there is nothing below the prefix, `KinemaError` when the disk is too full, `StoreError`
    when the store refuses or does not answer, `UsageError` for what is no address.
    """
    address = folder_address(url)
    return _Fetch(connect(address, endpoint), address, Path(out), progress).run(connections)


class _Fetch:
    def __init__(self, store: Store, address: Address, out: Path, progress: Progress | None) -> None:
        self._store, self._address, self._out = store, address, out
        self._there = store.objects(address.key)
        self._index = store.index(address.key, fresh=True)
        self._there.pop(INDEX, None)
        if not self._there:
            raise DataError(f"{address}: nothing is stored below it; check the name")
        self._record_path = out / _BOOKS / "record.json"
        self._record = _read_record(self._record_path, str(address))
        self._tally = Tally(progress, sum(stored.size for stored in self._there.values()))
        self._saved = time.monotonic()

    def run(self, connections: int) -> Fetched:
        self._refuse_full_disk()
        done, failures = 0, list[Failure]()

        def handle(one: Ended[str, bool]) -> None:
            nonlocal done
            try:
                done += one.get()
            except DataError as error:
                url = f"{self._address}/{one.item}"
                failures.append(Failure.now(one.item, url, str(error).removeprefix(f"{url}: "), 1))
            if time.monotonic() - self._saved > SAVED_EVERY:
                self._save()

        try:
            each(self._one, list(self._there), connections, handle)
        finally:
            self._save()
        listed = write_failures(self._out / FAILURES, failures)
        if not failures:
            shutil.rmtree(self._out / _BOOKS / "parts", ignore_errors=True)
        table = self._index.manifest or "manifest.csv"
        manifest = self._out / table if table in self._there and (self._out / table).is_file() else None
        present = len(self._there) - done - len(failures)
        return Fetched(done, present, len(failures), self._out, listed, manifest)

    def _one(self, name: str, stop: threading.Event) -> bool:
        target, stored = self._target(name), self._there[name]
        try:
            if self._is_here(name, target, stored):
                self._tally.add(stored.size)
                return False
            part, stored = self._store.bring(
                key_of(self._address.key, name), self._out / _BOOKS / "parts", self._tally.add, stop
            )
            target.parent.mkdir(parents=True, exist_ok=True)
            part.replace(target)
            self._record[name] = [stored.version, stored.size, target.stat().st_mtime_ns]
        except InterruptedError:
            raise
        except OSError as error:
            raise DataError(f"{target}: cannot be written: {error.strerror or error}") from error
        return True

    def _target(self, name: str) -> Path:
        parts = name.split("/")
        fits = all(part not in ("", ".", "..") and "\0" not in part for part in parts) and parts[0] != _BOOKS
        if os.name == "nt":
            fits = fits and not any(re.search(r'[<>:"|?*\\]|[. ]$', part) for part in parts)
        if not fits:
            raise DataError(f"{self._address}/{name}: a name that no file here can have; rename the object")
        return self._out.joinpath(*parts)

    def _is_here(self, name: str, target: Path, stored: StoredObject) -> bool:
        if not target.is_file() or (status := target.stat()).st_size != stored.size:
            return False
        if self._record.get(name) == [stored.version, stored.size, status.st_mtime_ns]:
            return True
        entry = self._index.files.get(name)
        if entry is not None and entry.fits(stored):
            same = content_hash(target) == entry.sha256
        else:
            same = has_md5(target, stored)
        if same:
            self._record[name] = [stored.version, stored.size, status.st_mtime_ns]
        return same

    def _refuse_full_disk(self) -> None:
        try:
            (self._out / _BOOKS / "parts").mkdir(parents=True, exist_ok=True)
            sizes = {name: path.stat().st_size for name, path in self._existing().items()}
            begun = sum(part.stat().st_size for part in (self._out / _BOOKS / "parts").iterdir())
            free = shutil.disk_usage(self._out).free
        except OSError as error:
            raise KinemaError(f"{self._out}: cannot be written: {error.strerror or error}") from error
        needed = sum(s.size for name, s in self._there.items() if sizes.get(name) != s.size) - begun
        if needed > free:
            message = f"{needed / 1e9:,.2f} GB are to come and {free / 1e9:,.2f} GB are free"
            raise KinemaError(
                f"{self._out}: the disk is too full: {message}; free some or choose another --out"
            )

    def _existing(self) -> dict[str, Path]:
        paths = {name: self._out / name for name in self._there if ".." not in name}
        return {name: path for name, path in paths.items() if path.is_file()}

    def _save(self) -> None:
        self._saved = time.monotonic()
        write_json(self._record_path, {"address": str(self._address), "files": dict(self._record)})


def _read_record(path: Path, address: str) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return dict(record["files"]) if record["address"] == address else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
