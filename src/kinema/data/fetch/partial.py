"""A file that is on its way: `NAME.part` beside its place, and a note of what the server said of it."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinema.errors import KinemaError
from kinema.files import write_json


@dataclass(frozen=True, slots=True)
class Said:
    """What a server said of a file when its first bytes came: by this, a later answer is known to be of it."""

    url: str
    total: int | None = None
    etag: str | None = None
    modified: str | None = None

    @property
    def if_range(self) -> str | None:
        """The validator for If-Range (RFC 9110, 13.1.5): a strong ETag or the date, else None."""
        if self.etag and not self.etag.startswith("W/"):
            return self.etag
        return self.modified

    def contradicts(self, other: Said) -> bool:
        """Whether two answers cannot be about the same bytes."""
        pairs = ((self.total, other.total), (self.etag, other.etag), (self.modified, other.modified))
        return any(a is not None and b is not None and a != b for a, b in pairs)


def checksum_of(path: Path, like: str) -> str:
    """Return the checksum of a file in the form and by the algorithm of another one: "sha256:…"."""
    algorithm = like.partition(":")[0]
    with path.open("rb") as handle:
        return f"{algorithm}:{hashlib.file_digest(handle, algorithm).hexdigest()}"


class PartFile:
    """The bytes that came so far, with what is needed to go on after a break.

    `NAME.part` holds the bytes, `NAME.part.json` what was said of them. `into_place` renames: the target is
    whole or absent.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f"{target.name}.part")
        self._note = target.with_name(f"{target.name}.part.json")

    @property
    def bytes(self) -> int:
        """How many bytes are there."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def said(self) -> Said | None:
        """Return what was noted at the first byte; None when nothing readable is there."""
        try:
            note: dict[str, Any] = json.loads(self._note.read_text(encoding="utf-8"))
            return Said(str(note["url"]), note.get("total"), note.get("etag"), note.get("modified"))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def begin(self, said: Said) -> None:
        """Start anew with an empty file."""
        self.discard()
        write_json(
            self._note,
            {"url": said.url, "total": said.total, "etag": said.etag, "modified": said.modified},
        )

    def discard(self) -> None:
        """Remove the bytes and the note."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def into_place(self) -> Path:
        """Rename the whole file to its place, on the disk before the name changes."""
        try:
            with self.path.open("rb") as handle:
                os.fsync(handle.fileno())
            self.path.replace(self.target)
        except OSError as error:
            raise KinemaError(f"{self.target}: cannot be written: {error.strerror or error}") from error
        self._note.unlink(missing_ok=True)
        return self.target
