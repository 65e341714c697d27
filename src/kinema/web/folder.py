"""The folder in which a site keeps everything: database, uploads, results, clips, takes, its own runs."""

from __future__ import annotations

import os
import secrets
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kinema.errors import UsageError

SITE = "KINEMA_SITE"
"""The environment variable that names the folder."""
_KEY = "secret-key"
_LOOKED_AT = 3600.0  # seconds in which nothing is taken from under somebody who looks at it


@dataclass(frozen=True)
class SiteFolder:
    """Where a site keeps what; the folders are made when they are asked for."""

    root: Path

    @property
    def database(self) -> Path:
        """The SQLite file of a site without `DATABASE_URL`."""
        return self.root / "site.sqlite3"

    def place(self, *parts: str) -> Path:
        """Return a folder below the root, and make it: `place("videos", "12")`. Parts come from the program, not requests."""
        path = self.root.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def secret_key(self) -> str:
        """Return the key that signs sessions: `KINEMA_SECRET_KEY`, else one of this folder's own, only the owner's to read."""
        if key := os.environ.get("KINEMA_SECRET_KEY"):
            return key
        path = self.root / _KEY
        if not path.exists():
            # Whole or absent, never to be read by others, and the first of several processes wins.
            fresh = self.root / f".{_KEY}-{secrets.token_hex(8)}"
            try:
                with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                    file.write(secrets.token_urlsafe(50))
                try:
                    os.link(fresh, path)
                except FileExistsError:
                    pass
                except OSError:  # a file system without links
                    fresh.replace(path)
            finally:
                fresh.unlink(missing_ok=True)
        return path.read_text().strip()


def site() -> SiteFolder:
    """Return the folder of the site that this process belongs to. Raises `UsageError` outside of one."""
    root = os.environ.get(SITE)
    if not root:
        raise UsageError(f"no site here: `kinema serve` starts one, or set {SITE} to its folder")
    return SiteFolder(Path(root))


def inside(root: Path, name: str) -> Path | None:
    """Return the file `name` below `root`, or None where a request's name leads out of it or to nothing.

    Links are followed before the check, so that one that points elsewhere is refused as well.
    """
    if not name or "\0" in name or name.startswith(("/", "\\")):
        return None
    try:
        home = root.resolve(strict=True)
        path = (home / name).resolve(strict=True)
    except (OSError, ValueError):
        return None
    return path if path.is_relative_to(home) and path != home else None


def trim(folder: Path, most: int) -> int:
    """Remove from a folder what nobody has looked at for longest, until at most `most` bytes are left; return those removed.

    For what can be made again, or is of the day only. Files that share the stem of their name go together, a `.json` first:
    it vouches for the others. What was made or read within the hour stays, however much it is.
    """
    groups: dict[Path, list[tuple[Path, os.stat_result]]] = defaultdict(list)
    for path in folder.rglob("*"):
        with suppress(OSError):  # another process removes as well
            if path.is_file():
                groups[path.with_suffix("")].append((path, path.stat()))
    total = sum(stat.st_size for files in groups.values() for _, stat in files)
    until = time.time() - _LOOKED_AT
    removed = 0
    # Most disks note the time of reading once a day: enough to tell what is in use.
    by_age = sorted((max(max(s.st_atime, s.st_mtime) for _, s in files), files) for files in groups.values())
    for looked_at, files in by_age:
        if total - removed <= most or looked_at > until:
            break
        for path, stat in sorted(files, key=lambda file: file[0].suffix != ".json"):
            with suppress(OSError):
                path.unlink(missing_ok=True)
                removed += stat.st_size
    return removed
