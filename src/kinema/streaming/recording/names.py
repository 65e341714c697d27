"""What recordings are called: names that follow from the event or the source, so that they are known before the file is."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from kinema.events import Event
from kinema.events.names import EventNames, in_utc

CLIPS = "clips"
THUMBNAILS = "thumbnails"
SEGMENTS = "video"
UNFINISHED = ".recording.mp4"
"""How the name of a segment ends that is still being written."""


def clip_path(event: Event) -> str:
    """Return where the clip of an event is: below the recorder's folder, with `/` on every system.

    The name is the event's id, so that an event can carry it before the clip is there; of an event without an id it is made
    of source, start and label in the same way.

    >>> clip_path(Event("fall", 12.5, 14.0, 0.9, 13.0, 0.8, id="door-2534e2de-000012500-fall"))
    'clips/door-2534e2de-000012500-fall.mp4'
    """
    return f"{CLIPS}/{event_stem(event)}.mp4"


def thumbnail_path(event: Event) -> str:
    """Return where the thumbnail of an event is, as `clip_path`.

    >>> thumbnail_path(Event("fall", 12.5, 14.0, 0.9, 13.0, 0.8, id="door-2534e2de-000012500-fall"))
    'thumbnails/door-2534e2de-000012500-fall.jpg'
    """
    return f"{THUMBNAILS}/{event_stem(event)}.jpg"


def finished(path: Path) -> Path:
    """Return what an unfinished segment will be called.

    >>> finished(Path("video/door.recording.mp4")).name
    'door.mp4'
    """
    return path.with_name(f"{path.name.removesuffix(UNFINISHED)}.mp4")


def with_files(event: Event) -> Event:
    """Return the event with the paths of its clip and thumbnail; what an `Engine` takes as `name_files`."""
    return replace(event, clip=clip_path(event), thumbnail=thumbnail_path(event))


def event_stem(event: Event) -> str:
    """Return what the files of an event are called, without folder and suffix."""
    if re.fullmatch(r"[\w-]+", event.id):
        return event.id
    began = datetime.fromisoformat(event.began_at) if event.began_at else None
    names = EventNames(event.source, [event.label], in_utc(began))
    # `began_at` is the date of the event's start, not of the stream's.
    return names.name(event.label, 0.0 if began else event.start)


class SegmentNames:
    """Names of the segments of one source: `door-2534e2de-20260521T093002345Z-video`, its beginning in UTC.

    >>> from datetime import UTC
    >>> SegmentNames("door").name(datetime(2026, 5, 21, 9, 30, 2, 345000, tzinfo=UTC))
    'door-2534e2de-20260521T093002345Z-video'
    """

    def __init__(self, source: str) -> None:
        self._source = source

    def name(self, began: datetime) -> str:
        """Return the name, without suffix, of the segment whose first picture was taken at `began`."""
        return EventNames(self._source, ["video"], in_utc(began)).name("video", 0.0)
