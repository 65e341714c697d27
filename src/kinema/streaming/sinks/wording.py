"""How sinks name sources, times and durations to people and to other programs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import PurePath
from urllib.parse import urlsplit, urlunsplit


def shown_source(source: str) -> str:
    """Return a source's name without the user, password and query of an address, in one line.

    >>> shown_source("rtsp://admin:pw@10.0.0.7:554/stream1?key=5"), shown_source("/films/door.mp4")
    ('rtsp://10.0.0.7:554/stream1', '/films/door.mp4')
    """
    if "://" in source:
        try:
            parts = urlsplit(source)
            source = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
        except ValueError:
            source = source.partition("://")[0] + "://"
    return " ".join(source.split())


def short_source(source: str) -> str:
    """Return what a subject line has room for: the last part of a path, the host and path of an address.

    >>> short_source("rtsp://admin:pw@10.0.0.7:554/stream1"), short_source("/films/door.mp4"), short_source("0")
    ('10.0.0.7:554/stream1', 'door.mp4', 'camera 0')
    """
    shown = shown_source(source)
    if "://" in shown:
        return shown.partition("://")[2].rstrip("/")
    if shown.isdigit():
        return f"camera {shown}"
    return PurePath(shown.replace("\\", "/")).name or shown


def topic_part(text: str) -> str:
    """Return a text as a level of an MQTT topic or a name in an address: a-z, 0-9 and hyphens.

    >>> topic_part(short_source("rtsp://admin:pw@10.0.0.7:554/stream1")), topic_part("Sit/Stand up"), topic_part("Höhe+#")
    ('10-0-0-7-554-stream1', 'sit-stand-up', 'hohe')
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


def unique_parts(
    names: Sequence[str],
    taken: tuple[str, ...] = (),
    otherwise: str = "item",
    word: Callable[[str], str] = str,
) -> dict[str, str]:
    """Return `topic_part` of `word` of each name, numbered where two are the same or one is taken.

    >>> unique_parts(["fall", "Fall!", "state", "摔倒"], taken=("state",), otherwise="label")
    {'fall': 'fall', 'Fall!': 'fall-2', 'state': 'state-2', '摔倒': 'label'}
    >>> unique_parts(["/a/door.mp4", "/b/door.mp4"], word=short_source)
    {'/a/door.mp4': 'door-mp4', '/b/door.mp4': 'door-mp4-2'}
    """
    used = set(taken)
    found: dict[str, str] = {}
    for name in names:
        if name in found:
            continue
        base = part = topic_part(word(name)) or otherwise
        number = 1
        while part in used:
            number += 1
            part = f"{base}-{number}"
        used.add(part)
        found[name] = part
    return found


def local_time(moment: str | None) -> str | None:
    """Return a date of ISO 8601 as this computer's clock shows it, with the zone; None where it is none.

    >>> local_time("soon") is None
    True
    """
    try:
        return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M:%S %Z}" if moment else None
    except ValueError:
        return None
