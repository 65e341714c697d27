"""Archives on their way here, in pieces: what has arrived stays, also when server or browser go away in between."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.http import Http404
from filelock import FileLock, Timeout

from kinema.files import write_json
from kinema.web.folder import site
from kinema.web.videos.limits import Refused

LIMIT = "KINEMA_DATASET_UPLOAD_MB"
"""The environment variable with the largest archive that may be sent, in MB."""
_MEGABYTES = 2000
PIECE = 8 * 2**20
"""Bytes of a piece, at most."""
_OLD = 7 * 86_400.0  # seconds; an archive may wait that long behind other jobs
_ID = re.compile(r"[0-9a-f]{32}")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
"""What may be sent, by the end of the name; what it is, its bytes tell."""


@dataclass(frozen=True)
class Upload:
    """An archive that is on its way, or here: `name` is the one it has at its sender's, for show only."""

    id: str
    name: str
    size: int
    owner: str

    @property
    def path(self) -> Path:
        """Where its bytes are."""
        return _home() / f"{self.id}.part"

    @property
    def offset(self) -> int:
        """How many bytes are here."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0


def limit() -> int:
    """Return how many bytes an archive may have."""
    try:
        return max(1, int(os.environ.get(LIMIT, ""))) * 10**6
    except ValueError:
        return _MEGABYTES * 10**6


def begin(name: str, size: int, owner: str) -> Upload:
    """Begin an upload. Raises `Refused` for what is no archive, too large, or more than the disk holds."""
    _expire()
    if not name.lower().endswith(ARCHIVES):
        raise Refused(400, f"{name[:100]}: send a .zip (or .tar, .tar.gz) of your class folders")
    if size < 1:
        raise Refused(400, f"{name[:100]}: the file is empty")
    if size > limit():
        raise Refused(
            413,
            f"{name[:100]}: {size / 1e6:,.0f} MB; at most {limit() / 1e6:,.0f} MB may be sent ({LIMIT} sets it)",
        )
    free = shutil.disk_usage(_home()).free
    if 3 * size > free:  # packed, unpacked, and room to go on
        raise Refused(
            507, f"the disk of this site has {free / 1e6:,.0f} MB left, too few for this; free some"
        )
    upload = Upload(secrets.token_hex(16), os.path.basename(name.replace("\\", "/"))[:200], size, owner)  # noqa: PTH119
    upload.path.touch(mode=0o600)
    write_json(_home() / f"{upload.id}.json", {"name": upload.name, "size": size, "owner": owner})
    return upload


def find(id: str) -> Upload:
    """Return an upload. Raises `Http404`."""
    if not _ID.fullmatch(id):
        raise Http404
    try:
        known = json.loads((_home() / f"{id}.json").read_text(encoding="utf-8"))
        return Upload(id, known["name"], known["size"], known["owner"])
    except (OSError, ValueError, KeyError) as error:
        raise Http404("no such upload: it may have been too old; send it again") from error


def append(upload: Upload, offset: int, chunks: Iterable[bytes]) -> int:
    """Append a piece that begins at `offset`; return how many bytes are here now.

    Raises `Refused`: 409 where another piece is due, 413 for more than was announced, 423 while another request writes, 507
    where the disk is full; what was written before it was is kept.
    """
    try:
        with FileLock(str(upload.path) + ".lock", timeout=30):
            if offset != upload.offset:
                raise Refused(409, f"{upload.offset} bytes are here; go on from there, not from {offset}")
            _write(upload, offset, chunks)
    except Timeout as error:
        raise Refused(423, f"{upload.name}: another request is writing; try again") from error
    except OSError as error:
        raise Refused(507, f"{upload.name}: cannot be written ({error.strerror or error})") from error
    return upload.offset


def forget(upload: Upload) -> None:
    """Remove an upload, whole or not."""
    for path in _home().glob(f"{upload.id}.*"):
        with suppress(OSError):
            path.unlink()


def _write(upload: Upload, offset: int, chunks: Iterable[bytes]) -> None:
    with upload.path.open("r+b") as file:
        file.seek(offset)
        try:
            for chunk in chunks:
                if file.tell() + len(chunk) > upload.size:
                    raise Refused(
                        413, f"{upload.name}: more bytes than the {upload.size:,} that were announced"
                    )
                file.write(chunk)
        except Refused:
            file.truncate(offset)
            raise
        file.flush()
        os.fsync(file.fileno())


def _expire() -> None:
    """Remove what nobody went on with for a week."""
    now = time.time()
    for path in _home().iterdir():
        with suppress(OSError):
            old = now - path.stat().st_mtime > _OLD
            if old and (path.suffix == ".part" or not path.with_suffix(".part").exists()):
                path.unlink()


def _home() -> Path:
    return site().place("uploads", "data")
