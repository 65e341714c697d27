"""Files that are either whole or absent, and names for content."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kinema.errors import KinemaError


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it into place on success, remove it on any failure.

    The temporary name keeps the suffix, so that writers which choose a format by it still do.

    >>> with atomic_path("/tmp/kinema-doctest.txt") as temporary:
    ...     _ = temporary.write_text("whole")
    >>> Path("/tmp/kinema-doctest.txt").read_text()
    'whole'

    Raises `KinemaError` when the disk is full or the folder cannot be written.
    """
    target = Path(path)
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{target.stem[:80]}.", suffix=target.suffix, dir=target.parent
        )
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    except OSError as error:
        if error.filename is not None and Path(os.fsdecode(error.filename)) not in (
            temporary,
            target,
            target.parent,
        ):
            raise
        raise KinemaError(f"{target}: cannot be written: {error.strerror or error}") from error
    except KinemaError:  # says already what is wrong
        raise
    except Exception as error:
        if (number := _disk_error(error)) is None:
            raise
        raise KinemaError(f"{target}: cannot be written: {os.strerror(number)}") from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def _disk_error(error: Exception) -> int | None:
    """Return the system's error number where a writer in C++ or Rust has put the refusal of a disk into its own words.

    torch raises a RuntimeError while it handles the OSError of the file that it writes to; safetensors says `(os error 28)`.
    """
    if isinstance(error.__context__, OSError):
        number = error.__context__.errno
    else:
        found = re.search(r"\(os error (\d+)\)", str(error))
        number = int(found.group(1)) if found else None
    return number if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS) else None


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write JSON atomically, keys in the given order, readable by people; NaN is refused."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def content_hash(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's bytes, or of all names and bytes below a folder, in hexadecimal."""
    path = Path(path)
    if path.is_dir():
        digest = hashlib.sha256()
        for item in sorted(p for p in path.rglob("*") if p.is_file()):
            digest.update(f"{item.relative_to(path).as_posix()}\0{content_hash(item)}\n".encode())
        return digest.hexdigest()
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def cache_folder() -> Path:
    """Return where features and exported backbones are kept: `KINEMA_CACHE`, or the user's cache folder."""
    if chosen := os.environ.get("KINEMA_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "kinema"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
