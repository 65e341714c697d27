"""Archives of strangers, unpacked safely: nothing is written outside of the folder, and bombs are refused.

ZIP, RAR and tar are recognised by their content. Everything is written to a hidden folder first and renamed into
place when it is complete.
"""

from __future__ import annotations

import gzip
import lzma
import re
import secrets
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from kinema.data.fetch.rar import PACKAGES, RAR_MAGIC, Contents, Entry, RarToolError, read_rar
from kinema.errors import DataError, KinemaError

UNPACKING = ".unpacking-"  # begins the name of the hidden folder
_BOMB = "like a decompression bomb; unpack it by hand if you trust it"
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, gzip.BadGzipFile, EOFError)
_CHUNK = 1 << 20

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all where declared


class DamagedArchiveError(DataError):
    """The bytes are no archive, or one that ends in the middle."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an archive may unpack to: `total` bytes, and `ratio` times its own size.

    The ratio is not asked below `spare` bytes: tables of text shrink a lot. `files` bounds the entries.
    """

    total: int = 200 * 10**9
    ratio: float = 100.0
    spare: int = 100 * 10**6
    files: int = 2_000_000


def unpack(
    archive: Path,
    folder: Path,
    *,
    limits: Limits | None = None,
    nested: bool = False,
    work: Path | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Unpack a ZIP, RAR or tar into a folder and return what now lies there, of the top level of the archive.

    With `nested`, archives inside of it are unpacked where they lie and removed. The hidden folder is made in
    `work`, by default in `folder`, which must be on the same disk. Files that are there already are replaced.

    Raises `DataError` for a name that leads out of the folder, for links, for a bomb (declared or found on the
    way); `DamagedArchiveError` for a broken file; `KinemaError` when the disk is too small or a tool is missing.
    """
    limits = limits or Limits()
    place = work or folder
    hidden = place / f"{UNPACKING}{secrets.token_hex(4)}"
    try:
        hidden.mkdir(parents=True)
        budget = _Budget(archive, limits)
        _unpack(archive, hidden, budget, progress)
        if nested:
            for inner in sorted(
                path for path in hidden.rglob("*") if path.suffix.lower() in (".rar", ".zip")
            ):
                _unpack(inner, inner.parent, budget, progress)
                inner.unlink()
        return _into_place(hidden, folder)
    except KinemaError as error:
        # An archive inside of another is named by its place in that, not by the hidden folder.
        raise type(error)(str(error).replace(str(hidden), str(archive))) from error
    except OSError as error:
        raise KinemaError(f"{archive}: cannot be unpacked in {place}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


class _Budget:
    """What is left of the limits, shared by an archive and those inside of it."""

    def __init__(self, archive: Path, limits: Limits) -> None:
        self.written = 0
        self._entries, self._most_entries = 0, limits.files
        self._limit = int(min(limits.total, max(limits.spare, limits.ratio * archive.stat().st_size)))

    def declared(self, archive: Path, place: Path, entries: list[Entry]) -> int:
        total = sum(size for _, size, _ in entries)
        if self.written + total > self._limit:
            raise DataError(f"{archive}: refused: it would unpack to {total:,} bytes, {_BOMB}")
        free = shutil.disk_usage(place).free
        if total > free:
            raise KinemaError(
                f"{archive}: unpacks to {total:,} bytes and the disk has {free:,} left; free some"
            )
        return total

    def take(self, archive: Path, count: int) -> None:
        self.written += count
        if self.written > self._limit:
            raise DataError(f"{archive}: refused: it unpacks to more than {self._limit:,} bytes, {_BOMB}")

    def entry(self, archive: Path) -> None:
        self._entries += 1
        if self._entries > self._most_entries:
            raise DataError(f"{archive}: refused: it has more than {self._most_entries:,} entries, {_BOMB}")


def _unpack(archive: Path, place: Path, budget: _Budget, progress: Progress | None) -> None:
    entries, ways = _open(archive)
    total = budget.declared(archive, place, entries)
    for name, _, _ in entries:
        _inside(archive, name)
    before, failures = budget.written, []
    for way in ways:
        budget.written = before
        try:
            _write(archive, place, way(), budget, total or None, progress)
            return
        except RarToolError as error:
            failures.append(str(error))
    raise KinemaError(f"{archive}: cannot be unpacked: {'; '.join(failures)}; {PACKAGES}, or get it anew")


def _write(
    archive: Path,
    place: Path,
    contents: Contents,
    budget: _Budget,
    total: int | None,
    progress: Progress | None,
) -> None:
    for (name, size, is_folder), chunks in contents:
        path = _inside(archive, name)
        budget.entry(archive)
        if path is None:
            continue
        target = place / path
        if is_folder:
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        count = 0
        with target.open("wb") as handle:
            for chunk in chunks:
                count += len(chunk)
                if count > size:
                    raise DataError(
                        f"{archive}: refused: '{name}' holds more than the {size:,} bytes it declares"
                    )
                budget.take(archive, len(chunk))
                handle.write(chunk)
                if progress:
                    progress(budget.written, total)
        if count != size:
            raise DamagedArchiveError(
                f"{archive}: damaged: '{name}' has {count:,} of {size:,} bytes; get it anew"
            )


def _inside(archive: Path, name: str) -> PurePosixPath | None:
    """Return where an entry goes below the folder; None for what only macOS wants.

    Raises `DataError` when it would go elsewhere.
    """
    plain = name.replace("\\", "/")
    parts = [part for part in plain.split("/") if part not in ("", ".")]
    escapes = plain.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", plain) or "\0" in name
    if escapes:
        raise DataError(f"{archive}: refused: the entry {name!r} would be written outside of the folder")
    return PurePosixPath(*parts) if parts and parts[0] != "__MACOSX" else None


def _open(archive: Path) -> tuple[list[Entry], list[Callable[[], Contents]]]:
    with archive.open("rb") as handle:
        start = handle.read(8)
    if start.startswith(RAR_MAGIC):
        return read_rar(archive)
    if start.startswith(b"PK"):
        return _zip_entries(archive), [partial(_zip_contents, archive)]
    try:
        with tarfile.open(archive, "r:*"):
            pass
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise DamagedArchiveError(
            f"{archive}: no ZIP, RAR or tar archive; delete it and get it anew"
        ) from error
    # The sizes in a compressed tar are only known by decompressing it: they are judged on the way.
    return [], [partial(_tar_contents, archive)]


def _zip_entries(archive: Path) -> list[Entry]:
    try:
        with zipfile.ZipFile(archive) as source:
            infos = source.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise DamagedArchiveError(f"{archive}: damaged: {error}; delete it and get it anew") from error
    for info in infos:
        if stat.S_ISLNK(info.external_attr >> 16):
            raise DataError(
                f"{archive}: refused: '{info.filename}' is a link, which may lead out of the folder"
            )
        if info.flag_bits & 1:
            raise DataError(f"{archive}: the ZIP archive is encrypted; unpack it by hand")
    return [(info.filename, info.file_size, info.is_dir()) for info in infos]


def _zip_contents(archive: Path) -> Contents:
    with zipfile.ZipFile(archive) as source:
        for info in source.infolist():
            yield (
                (info.filename, info.file_size, info.is_dir()),
                _chunks(archive, info.filename, partial(source.open, info)),
            )


def _tar_contents(archive: Path) -> Contents:
    try:
        with tarfile.open(archive, "r:*") as source:
            for member in source:
                if not (member.isreg() or member.isdir()):
                    raise DataError(f"{archive}: refused: '{member.name}' is a link or a device")
                yield (
                    (member.name, member.size, member.isdir()),
                    _chunks(archive, member.name, partial(source.extractfile, member)),
                )
    except _BROKEN as error:
        raise DamagedArchiveError(f"{archive}: damaged: {error}; delete it and get it anew") from error


def _chunks(archive: Path, name: str, opened: Callable[[], IO[bytes] | None]) -> Iterator[bytes]:
    try:
        handle = opened()
        while handle and (chunk := handle.read(_CHUNK)):
            yield chunk
    except (*_BROKEN, NotImplementedError) as error:
        raise DamagedArchiveError(f"{archive}: damaged at '{name}': {error}; get it anew") from error


def _into_place(hidden: Path, folder: Path) -> list[Path]:
    names = sorted(item.name for item in hidden.iterdir())
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        hidden.replace(folder)
    else:
        _merge(hidden, folder)
    return [folder / name for name in names]


def _merge(source: Path, target: Path) -> None:
    for item in sorted(source.iterdir()):
        place = target / item.name
        if item.is_dir() and place.is_dir():
            _merge(item, place)
        else:
            item.replace(place)
