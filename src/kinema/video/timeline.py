"""When each frame of a file is shown, found from its packets alone: what makes seeking exact."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import Any


@dataclass(frozen=True, slots=True)
class Timeline:
    """Time stamps in time-base units, ascending: of every displayed frame, and of those that decoding can
    start at.
    """

    stamps: list[int]
    keyframes: list[int]

    def index(self, stamp: int | None) -> int | None:
        """Return the number of the frame that is shown at `stamp`, None when there is none."""
        if stamp is None:
            return None
        index = bisect_left(self.stamps, stamp)
        return index if index < len(self.stamps) and self.stamps[index] == stamp else None

    def keyframe_before(self, stamp: int) -> int | None:
        """Return the stamp of the last keyframe at or before `stamp`."""
        position = bisect_right(self.keyframes, stamp)
        return self.keyframes[position - 1] if position else None


class Remembered:
    """The last timelines of files, so that clips drawn from one file scan its packets once; safe among threads.

    Holds at most `most` time stamps in all, about 40 bytes each.
    """

    def __init__(self, most: int = 2_000_000) -> None:
        self._most = most
        self._held: OrderedDict[FileState, Timeline | None] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def __contains__(self, key: FileState) -> bool:
        return key in self._held

    def __getitem__(self, key: FileState) -> Timeline | None:
        with self._lock:
            timeline = self._held.get(key)
            if timeline is not None:
                self._held.move_to_end(key)
            return timeline

    def __setitem__(self, key: FileState, timeline: Timeline | None) -> None:
        with self._lock:
            self._drop(key)
            self._held[key] = timeline
            self._size += _weight(timeline)
            while self._size > self._most and len(self._held) > 1:
                self._drop(next(iter(self._held)))

    def _drop(self, key: FileState) -> None:
        if key in self._held:
            self._size -= _weight(self._held.pop(key))


def _weight(timeline: Timeline | None) -> int:
    return 100 if timeline is None else 100 + len(timeline.stamps)


FileState = tuple[str, int, int]
TIMELINES = Remembered()


def remembered_as(path: str) -> FileState:
    """Return what tells a file from others and from what it was before it changed."""
    status = Path(path).stat()
    return str(Path(path).absolute()), status.st_size, status.st_mtime_ns


def read_timeline(packets: Iterable[Any], codec: str, first: int) -> Timeline | None:
    """Build the timeline from all packets of a stream, or return None when they do not identify every frame.

    `first` is the stamp of the first frame that decodes: a recording that begins between keyframes loses the
    ones before.
    """
    stamps: list[int] = []
    keyframes: list[int] = []
    last_dts: int | None = None
    for packet in packets:
        if not packet.size or packet.is_discard or _hidden(packet, codec):
            continue
        if packet.pts is None or (packet.dts is not None and last_dts is not None and packet.dts < last_dts):
            return None
        last_dts = packet.dts
        if packet.pts >= first:
            stamps.append(packet.pts)
            if packet.is_keyframe:
                keyframes.append(packet.pts)
    stamps.sort()
    if not stamps or stamps[0] != first or any(a == b for a, b in pairwise(stamps)):
        return None
    return Timeline(stamps, sorted(keyframes))


def _hidden(packet: Any, codec: str) -> bool:
    # A VP8 encoder sends reference frames that are never shown as packets of their own (RFC 6386, section
    # 9.1).
    return codec == "vp8" and not bytes(packet)[0] >> 4 & 1
