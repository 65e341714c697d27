"""Names of events: fit for a file, unique within a folder, and the same whenever the same file is looked at."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit, urlunsplit

_LONGEST = 60  # bytes of a part: file systems allow names of 255


class EventNames:
    """Makes `SOURCE-TIME-LABEL`: `lobby-1f0c3a9e-000012345-fall` for a file, at 12.345 s, and
    `lobby-1f0c3a9e-20260521T093002345Z-fall` for a live source, whose seconds begin anew at every start.

    SOURCE is the last part of the source's path or address and a hash of the whole, without user name and password.
    `began`: when the stream's second 0 was, of a live source.
    """

    def __init__(self, source: str, classes: Sequence[str], began: datetime | None) -> None:
        self._source = _source_name(source)
        self._began = began
        slugs = {label: _slug(label) or "label" for label in classes}
        # Some file systems do not tell Run from run.
        shared = Counter(slug.casefold() for slug in slugs.values())
        self._labels = {
            label: f"{slug}-{number}" if shared[slug.casefold()] > 1 else slug
            for number, (label, slug) in enumerate(slugs.items())
        }

    def name(self, label: str, start: float) -> str:
        """Return the name of the event of `label` that starts at `start` seconds; events of one label never share one,
        since each lasts at least a millisecond."""
        milliseconds = math.floor(start * 1000 + 1e-6)
        if self._began is None:
            moment = f"{milliseconds:09d}"
        else:
            at = self._began + timedelta(milliseconds=milliseconds)
            moment = f"{at:%Y%m%dT%H%M%S}{at.microsecond // 1000:03d}Z"
        return "-".join(filter(None, [self._source, moment, self._labels[label]]))


def in_utc(began: datetime | float | None) -> datetime | None:
    """Return a date, or seconds since 1970 as `time.time()` gives them, as a date in UTC; one without a zone is local."""
    if began is None:
        return None
    if isinstance(began, datetime):
        return began.astimezone(UTC)
    return datetime.fromtimestamp(began, UTC)


def _source_name(source: str) -> str:
    if not source:
        return ""
    last = ""
    if "://" in source:
        try:
            parts = urlsplit(source)
            host = parts.netloc.rpartition("@")[2]
            source = urlunsplit((*parts[:1], host, *parts[2:]))
            last = parts.path.strip("/") or host.replace(".", "-")
        except ValueError:  # not an address after all
            pass
    last = re.split(r"[/\\]", (last or source).rstrip("/\\"))[-1]
    stem = last.rpartition(".")[0] or last
    digest = hashlib.sha256(source.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{_slug(stem) or 'source'}-{digest}"


def _slug(text: str) -> str:
    text = re.sub(r"\W+", "-", text).strip("-_")
    return text.encode("utf-8", "ignore")[:_LONGEST].decode("utf-8", "ignore").strip("-_")
