"""Events, notices and numbers as lines of text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from rich.cells import cell_len

from kinema.events import Event
from kinema.streaming.statistics import SourceStats, Spread, Statistics

_PLAIN = str.maketrans("·…–█│", "-.-#|")


def printable(text: str) -> str:
    """Return one line that cannot steer a terminal.

    >>> printable("a\\x1b[2Jb\\nc")
    'a?[2Jb c'
    """
    line = " ".join(text.split())
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def clock(event: Event) -> str:
    """Return when an event began: the local time of day of a live source, else its time in the video.

    >>> clock(Event("fall", 3725.4, 3730.0, 0.9, 3726.0, 0.8))
    '1:02:05.4'
    """
    if event.began_at:
        return datetime.fromisoformat(event.began_at).astimezone().strftime("%H:%M:%S")
    return clock_of(event.start)


def clock_of(seconds: float) -> str:
    """Return a time in a video.

    >>> clock_of(75.26), clock_of(0)
    ('1:15.3', '0:00.0')
    """
    tenths = round(max(0.0, seconds) * 10)
    hours, minutes = tenths // 36_000, tenths // 600 % 60
    rest = f"{tenths % 600 / 10:04.1f}"
    return f"{hours}:{minutes:02d}:{rest}" if hours else f"{minutes}:{rest}"


def event_line(event: Event) -> str:
    """Return an event as a line of a log.

    >>> event_line(Event("fall", 3.0, 5.5, 0.91, 4.0, 0.8, source="door"))
    'event ended: fall in door, 0:03.0 to 0:05.5 (2.5 s), peak 0.91'
    """
    silenced = "" if event.alert else ", silenced by its cooldown"
    head = f"{event.label} in {event.source}" if event.source else event.label
    if not event.ended:
        return printable(f"event begins: {head} at {clock(event)}{silenced}")
    end = clock_of(event.end) if not event.began_at else None
    span = f"{clock(event)} to {end}" if end else clock(event)
    clip = f", {event.clip}" if event.clip else ""
    return printable(
        f"event ended: {head}, {span} ({event.seconds:.1f} s), peak {event.peak:.2f}{silenced}{clip}"
    )


def milliseconds(value: float) -> str:
    """Return a duration in milliseconds with as many digits as say something.

    >>> milliseconds(0.42), milliseconds(41.7), milliseconds(1234.0), milliseconds(0.0)
    ('0.4', '42', '1234', '–')
    """
    if not value > 0:
        return "–"
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"


def short_names(names: Sequence[str]) -> list[str]:
    """Return what tells sources apart: without the schemes of addresses and the folders that all have in common.

    >>> short_names(["rtsp://host/a/live", "rtsp://host/b/live"]), short_names(["films/door.mp4"])
    (['a', 'b'], ['films/door.mp4'])
    """
    paths = [re.sub(r"^\w+://", "", name).split("/") for name in names]
    if len(names) > 1:
        for end in (0, -1):
            while min(map(len, paths)) > 1 and len({path[end] for path in paths}) == 1:
                for path in paths:
                    del path[end]
    return ["/".join(path) for path in paths]


def encodable(text: str, encoding: str) -> str:
    """Return a text of the same width that an output of some encoding can show.

    >>> encodable("60 ms · 跌…", "ascii")
    '60 ms - ??.'
    """
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(_PLAIN)
        known = (
            letter if letter.encode(encoding, "ignore") else "?" * max(1, cell_len(letter)) for letter in text
        )
        return "".join(known)
    return text


def latency_of(source: SourceStats) -> Spread:
    """Return the latency of the last ten seconds, of all pictures where there were none."""
    return source.recent if source.recent[0] > 0 else source.latency


def summary_line(statistics: Statistics, dropped: Sequence[float]) -> str:
    """Return the numbers of the sources that have not ended in one line; of all where all have."""
    parts = []
    some_go_on = any(source.state not in ("ended", "failed") for source in statistics.sources)
    for source, lost in zip(statistics.sources, dropped, strict=True):
        if some_go_on and source.state in ("ended", "failed"):
            continue
        p50, p95, _ = latency_of(source)
        state = "" if source.state == "running" else f" {source.state}"
        parts.append(
            f"{source.name}{state}: {source.seen} frames seen ({source.fps_in:.1f}/s), {source.used} used"
            f" ({source.fps_used:.1f}/s), {source.dropped} dropped ({lost:.1f}/s),"
            f" latency {milliseconds(p50)}/{milliseconds(p95)} ms"
        )
    if not some_go_on and len(parts) > 1:
        parts = [f"all {len(parts)} sources have ended"]
    return printable(f"after {statistics.seconds:.0f} s: {'; '.join(parts)}")
