"""How large an upload may be, how much of the disk stays free, how long an unfinished upload is kept.

`KINEMA_UPLOAD_LIMIT` (such as 500M or 8G), `KINEMA_KEEP_FREE` and `KINEMA_UPLOAD_HOURS` change what holds by default.
"""

from __future__ import annotations

import os
import shutil
from datetime import timedelta

from kinema.errors import KinemaError, UsageError
from kinema.web.folder import site

LARGEST = "4G"
"""Bytes of one video."""
KEPT_FREE = "1G"
"""Bytes of the disk that uploads leave alone: results need room too."""
HOURS = 24.0
"""After which an upload that nobody went on with is thrown away."""
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class Refused(KinemaError):  # noqa: N818 - said to the user, with the HTTP status that goes with it
    """An upload that is not taken; `status` is that of the answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def largest() -> int:
    """Return how many bytes a video may have."""
    return _bytes("KINEMA_UPLOAD_LIMIT", LARGEST)


def kept_free() -> int:
    """Return how many bytes of the disk stay free."""
    return _bytes("KINEMA_KEEP_FREE", KEPT_FREE)


def lifetime() -> timedelta:
    """Return how long an unfinished upload is kept after its last piece."""
    text = os.environ.get("KINEMA_UPLOAD_HOURS", "")
    try:
        return timedelta(hours=float(text or HOURS))
    except (ValueError, OverflowError) as error:
        raise UsageError(f"KINEMA_UPLOAD_HOURS={text}: give hours, such as 24") from error


def check_size(name: str, size: int, promised: int = 0) -> None:
    """Raise `Refused` for a video of `size` bytes that is empty, too large, or for which the disk has no room.

    `promised`: bytes that uploads under way will still bring.
    """
    if size <= 0:
        raise Refused(400, f"{name}: the file is empty (0 bytes)")
    if size > largest():
        raise Refused(
            413, f"{name}: {in_words(size)}, and a video may have {in_words(largest())} at most here"
        )
    free = shutil.disk_usage(site().root).free
    if free - promised - size < kept_free():
        raise Refused(
            507, f"{name}: the disk of this site has no room for {in_words(size)} more; delete videos first"
        )


def in_words(size: int) -> str:
    """Return bytes as people say them.

    >>> in_words(1536), in_words(4 * 2**30), in_words(12)
    ('1.5 KB', '4 GB', '12 bytes')
    """
    for unit, many in (("TB", 2**40), ("GB", 2**30), ("MB", 2**20), ("KB", 2**10)):
        if size >= many:
            return f"{size / many:.1f}".removesuffix(".0") + f" {unit}"
    return f"{size} bytes"


def _bytes(variable: str, default: str) -> int:
    text = os.environ.get(variable) or default
    number, unit = (text[:-1], text[-1].upper()) if text[-1:].isalpha() else (text, "")
    try:
        found = float(number) * _UNITS[unit]
        if not 0 <= found < 2**60:
            raise ValueError
        return int(found)
    except (ValueError, KeyError) as error:
        raise UsageError(f"{variable}={text}: give bytes, such as 500M or 4G") from error
