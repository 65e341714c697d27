"""ClipRecorder: a clip with pre- and post-roll and a thumbnail of every event."""

from __future__ import annotations

import math
import os
import sys
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinema.errors import KinemaError, UsageError
from kinema.events import Event, EventRules
from kinema.files import atomic_path, write_json
from kinema.streaming.recording.clip import EventClip
from kinema.streaming.recording.frames import FrameRing, StoredFrame
from kinema.streaming.recording.names import CLIPS, THUMBNAILS, clip_path, event_stem, thumbnail_path
from kinema.streaming.recording.storage import Storage
from kinema.streaming.rows import Notice, Row, View
from kinema.streaming.sinks.base import Sink, StreamInfo
from kinema.video.jpeg import jpeg
from kinema.video.scaling import resize

_THUMBNAIL_WIDTH = 320  # pixels
_THUMBNAIL_QUALITY = 85
_AT_ONCE = (
    4  # frames a clip may catch up for each frame that comes, so that one event does not hold up the others
)
_WITHOUT_ROWS = 5.0  # seconds that are kept as long as no row has come
_BACKWARDS = 1.0  # seconds by which times may fall back before the source counts as another


class ClipRecorder(Sink):
    """Writes `clips/ID.mp4` and `thumbnails/ID.jpg` of every event below `folder`, and `clips/ID.json` beside the clip.

    The last seconds of each source are kept as JPEG, at most `memory_mb` a source, so that a clip begins `pre` seconds
    before its event's start; it goes on until `post` seconds after the end. Frames keep their times, at whatever rate they
    come. Of an event that makes a clip longer than `max_seconds`, the clip holds the first `max_seconds`, and the record in
    `ID.json` says `"cut": true`. Events that overlap have clips of their own. The thumbnail is the frame at the event's peak,
    320 pixels wide; it is there when the event begins and is replaced when the event ends.

    `limit_gb`: the oldest recordings are deleted when clips and thumbnails are larger (None: never). While less than
    `reserve_mb` are free on the disk, nothing is recorded. `quality` and `preset` are x264's, `jpeg_quality` is 1 to 100.
    `folder`: None for the engine's folder of results.

    Of a killed process nothing half-written is left: the next start removes it.
    """

    name = "clips"
    wants_rows = True
    wants_views = True
    views_waiting = 100

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        *,
        pre: float = 3.0,
        post: float = 3.0,
        max_seconds: float = 60.0,
        quality: int = 23,
        preset: str = "veryfast",
        jpeg_quality: int = 90,
        memory_mb: float = 64.0,
        limit_gb: float | None = 10.0,
        reserve_mb: float = 200.0,
    ) -> None:
        """Raises `UsageError` for a length or limit that makes no sense."""
        for text, seconds in (("pre", pre), ("post", post), ("max_seconds", max_seconds)):
            if not 0 <= seconds < math.inf:
                raise UsageError(f"clips: {text}={seconds:g}: give seconds, 0 or more")
        if not pre < max_seconds:
            raise UsageError(f"clips: max_seconds={max_seconds:g}: give more than pre ({pre:g})")
        for text, amount in (("memory_mb", memory_mb), ("limit_gb", limit_gb)):
            if amount is not None and not amount > 0:
                raise UsageError(f"clips: {text}={amount:g}: give more than 0")
        self._folder = folder
        self._pre = pre
        self._clip_settings = {"pre": pre, "post": post, "longest": max_seconds}
        self._post = post
        self._quality, self._preset, self._jpeg_quality = quality, preset, jpeg_quality
        self._memory = round(memory_mb * 1e6)
        self._limit = None if limit_gb is None else round(limit_gb * 1e9)
        self._reserve = round(reserve_mb * 1e6)
        self._sources: list[_Source] = []

    def open(self, info: StreamInfo) -> None:
        """Raises `KinemaError` when the folder cannot be written or another process records there."""
        folder = self._folder if self._folder is not None else info.folder
        if folder is None:
            raise UsageError("clips: no folder was given to record into")
        self._root = Path(folder)
        self._info = info
        self._storage = Storage(
            [self._root / CLIPS, self._root / THUMBNAILS],
            self._limit,
            self._reserve,
            lambda text: self.tell(f"{self.name}: {text}"),
        )
        self._storage.open()
        self._sources = [
            _Source(FrameRing(self._memory, self._jpeg_quality), info.rules) for _ in info.sources
        ]

    def row(self, row: Row) -> None:
        """Note how far the rows are, and the best frame of each event that goes on."""
        source = self._sources[row.source]
        source.saw_row(row.time)
        for clip in source.clips:
            if not clip.event.ended and row.known and clip.event.label in self._info.classes:
                value = float(row.smoothed[self._info.classes.index(clip.event.label)])
                if clip.peak is None or value > clip.peak[0]:
                    self._keep_peak(source, clip, value, row.time - self._info.rules.lag)

    def view(self, view: View) -> None:
        """Keep a frame, and write it to the clips that it belongs to."""
        source = self._sources[view.source]
        if source.ring.frames and view.time < source.ring.frames[-1].time - _BACKWARDS:
            self._finish_all(source)
        source.halted = False
        source.ring.append(view.time, view.image)
        self._advance(source)

    def event(self, event: Event) -> None:
        """Begin the clip of an event, or note that it has ended."""
        source = self._source_of(event)
        clip = next((clip for clip in source.clips if event_stem(clip.event) == event_stem(event)), None)
        if clip is None:
            clip = EventClip(
                event,
                self._root / clip_path(event),
                **self._clip_settings,
                quality=self._quality,
                preset=self._preset,
            )
            source.clips.append(clip)
        clip.event = event
        if clip.done and clip.frame_count:
            self._write_record(clip)
        if event.ended or clip.peak is None:
            self._keep_peak(source, clip, event.peak, event.peak_time)
        self._advance(source)
        self._write_thumbnail(clip)

    def notice(self, notice: Notice) -> None:
        """Finish the clips of a source that has stopped."""
        if notice.kind in ("lost", "ended", "failed") and notice.name in self._info.sources:
            source = self._sources[self._info.sources.index(notice.name)]
            source.halted = True
            self._advance(source)

    def close(self, timeout: float = 5.0) -> None:
        """Finish all clips; what cannot be encoded by then is missing at their ends."""
        deadline = time.monotonic() + timeout
        for source in self._sources:
            self._finish_all(source, deadline)
        if self._sources:
            self._storage.close()
        self._sources = []

    @property
    def memory(self) -> int:
        """The bytes of the frames that are kept just now."""
        return sum(source.ring.size for source in self._sources)

    def _source_of(self, event: Event) -> _Source:
        if event.source in self._info.sources:
            return self._sources[self._info.sources.index(event.source)]
        if len(self._sources) == 1:
            return self._sources[0]
        raise KinemaError(f"{self.name}: an event of '{event.source}', which is not among the sources")

    def _keep_peak(self, source: _Source, clip: EventClip, value: float, at: float) -> None:
        frames = [frame for frame in (clip.peak and clip.peak[1], source.ring.nearest(at)) if frame]
        if frames:
            clip.peak = (value, min(frames, key=lambda frame: abs(frame.time - at)))

    def _advance(self, source: _Source) -> None:
        """Let every clip write what it may, finish those that are complete, and forget the frames that nobody needs."""
        for clip in source.clips:
            self._start(source, clip)
            safe = math.inf if clip.event.ended else source.certain(clip.event.label) + self._post
            self._take(clip, source.ring.since(clip.next), safe, _AT_ONCE)
        for frame in source.ring.leave(before=source.needed_from(self._pre)):
            for clip in source.clips:
                if clip.next <= frame.number:
                    self._take(clip, [frame])
        for clip in list(source.clips):
            if source.halted and clip.event.ended:
                self._take(clip, source.ring.since(clip.next))
                clip.done = True
            if clip.done and clip.writing:
                self._finish(clip)
            if clip.event.ended and clip.done:
                source.clips.remove(clip)
        self._storage.prune(self._busy())

    def _start(self, source: _Source, clip: EventClip) -> None:
        if clip.writing or clip.done or not source.ring.frames or not self._storage.may_write():
            return
        try:
            clip.again(source.ring.frames[0].number)
            clip.begin(source.ring.rate)
        except KinemaError as error:
            self._storage.pause(error)

    def _take(
        self,
        clip: EventClip,
        frames: Iterable[StoredFrame],
        safe: float = math.inf,
        at_most: int = sys.maxsize,
    ) -> None:
        try:
            clip.take(frames, safe=safe, at_most=at_most)
        except KinemaError as error:
            clip.abandon()
            self._storage.pause(error)

    def _finish(self, clip: EventClip) -> None:
        try:
            if clip.finish():
                self._storage.wrote()
                self._write_record(clip)
        except KinemaError as error:
            self._storage.pause(error)
        self._storage.prune(self._busy(), now=True)

    def _write_record(self, clip: EventClip) -> None:
        try:
            write_json(clip.path.with_suffix(".json"), clip.record())
        except KinemaError as error:
            self._storage.pause(error)

    def _finish_all(self, source: _Source, deadline: float = math.inf) -> None:
        for clip in source.clips:
            while not clip.done and time.monotonic() < deadline:
                before = clip.next
                self._take(clip, source.ring.since(clip.next), at_most=_AT_ONCE)
                if clip.next == before:
                    break
            self._finish(clip)
        source.clips.clear()
        source.forget()

    def _write_thumbnail(self, clip: EventClip) -> None:
        if clip.peak is None or not self._storage.may_write():
            return
        try:
            with atomic_path(self._root / thumbnail_path(clip.event)) as temporary:
                temporary.write_bytes(jpeg(_thumbnail(clip.peak[1].image()), _THUMBNAIL_QUALITY))
        except KinemaError as error:
            self._storage.pause(error)

    def _busy(self) -> set[str]:
        return {clip.path.stem for source in self._sources for clip in source.clips}


class _Source:
    """What is known of one source: its last frames, how far its rows are, and the clips that are being written."""

    def __init__(self, ring: FrameRing, rules: EventRules) -> None:
        self.ring = ring
        self.clips: list[EventClip] = []
        self.halted = False
        self._rules = rules
        self._row: float | None = None
        self._intervals: deque[float] = deque(maxlen=20)

    def saw_row(self, time: float) -> None:
        """Take the time of a row."""
        if self._row is not None and time > self._row:
            self._intervals.append(time - self._row)
        self._row = time

    def forget(self) -> None:
        """Begin anew: the source's times have fallen back."""
        for _ in self.ring.leave(before=math.inf):
            pass
        self._row = None

    def certain(self, label: str) -> float:
        """The time before which an event of `label` that goes on has certainly not ended."""
        if self._row is None:
            return -math.inf
        return self._row - self._interval - self._rules.rule(label).merge_gap - self._rules.lag

    def needed_from(self, pre: float) -> float:
        """The time of the first frame that an event which is still to be announced may want."""
        if self._row is None:
            newest = self.ring.frames[-1].time if self.ring.frames else 0.0
            return newest - pre - _WITHOUT_ROWS
        rules = (self._rules.default, *self._rules.per_label.values())
        confirmed = max(max(rule.min_seconds, rule.consecutive * self._interval) for rule in rules)
        return self._row - pre - self._rules.lag - confirmed - 2 * self._interval

    @property
    def _interval(self) -> float:
        return max(self._intervals, default=0.5)


def _thumbnail(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height = max(2, round(image.shape[0] * _THUMBNAIL_WIDTH / image.shape[1]))
    return resize(image, (_THUMBNAIL_WIDTH, height))
