"""Which files of a data set are in place: `.kinema-fetch.json` in its folder."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kinema.files import write_json

RECORD = ".kinema-fetch.json"


class Record:
    """The files that are in place, with where they came from and what became of them.

    A file counts for as long as everything that it made is there. A record that cannot be read counts as none.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, dict[str, Any]] = {}
        try:
            files = json.loads((folder / RECORD).read_text(encoding="utf-8"))["files"]
            self._files = {str(name): dict(entry) for name, entry in files.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass

    def has(self, name: str) -> bool:
        """Whether the file is in place."""
        made = self.made(name)
        return bool(made) and all(path.exists() for path in made)

    def made(self, name: str) -> list[Path]:
        """Return what the file made: itself, or the top level of what was in the archive."""
        return [self._folder / path for path in self._files.get(name, {}).get("made", ())]

    def add(self, name: str, url: str, size: int, checksum: str | None, made: list[str]) -> None:
        """Note a file, its size in bytes, the checksum that was verified, and the paths it made."""
        self._files[name] = {
            "url": url,
            "bytes": size,
            "verified": checksum,
            "made": made,
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        write_json(self._folder / RECORD, {"files": self._files})
