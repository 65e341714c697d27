"""VideoRecorder: everything that the cameras see, with what the recognizer says drawn on it, in files of some minutes."""

from __future__ import annotations

import itertools
import math
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kinema.errors import KinemaError, UsageError
from kinema.events import Event
from kinema.streaming.recording.annotation import Annotator
from kinema.streaming.recording.names import SEGMENTS, UNFINISHED, SegmentNames, finished
from kinema.streaming.recording.salvage import plays, recover
from kinema.streaming.recording.storage import Storage
from kinema.streaming.rows import Notice, Row, View
from kinema.streaming.sinks.base import Sink, StreamInfo
from kinema.video import Frame, VideoWriter

_LONGEST_GAP = 10.0  # seconds without a frame, after which a new file begins
_BACKWARDS = 1.0
_RATE_WHEN_UNKNOWN = 25.0
_SURE_AFTER = 50  # frames, after which a file on a disk that was full counts as written


class VideoRecorder(Sink):
    """Writes `video/SOURCE-DATE-video.mp4` below `folder`: every frame with the top classes, their bars, the time of
    inference and the events that go on, in segments of `segment_seconds`.

    A new file begins as well when the size of the pictures changes, when the source has changed, and after ten seconds
    without a picture. A frame waits until the results have come as far, so that what is drawn on it is about it.

    A segment that is being written is called `….recording.mp4` and plays as far as it got; where the process is killed, the
    next start gives it its final name. The oldest are deleted when all are larger than `limit_gb` (None: never). While less
    than `reserve_mb` are free on the disk, nothing is recorded. `quality` and `preset` are x264's; `top`: classes shown.
    `folder`: None for the engine's folder of results.
    """

    name = "recording"
    wants_rows = True
    wants_views = True
    views_waiting = 100

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        *,
        segment_seconds: float = 600.0,
        limit_gb: float | None = 10.0,
        reserve_mb: float = 200.0,
        quality: int = 26,
        preset: str = "veryfast",
        top: int = 3,
    ) -> None:
        """Raises `UsageError` for a length or limit that makes no sense."""
        if not 1 <= segment_seconds < math.inf:
            raise UsageError(f"recording: segment_seconds={segment_seconds:g}: give at least 1 second")
        if limit_gb is not None and not limit_gb > 0:
            raise UsageError(f"recording: limit_gb={limit_gb:g}: give more than 0")
        self._folder = folder
        self._seconds = segment_seconds
        self._limit = None if limit_gb is None else round(limit_gb * 1e9)
        self._reserve = round(reserve_mb * 1e6)
        self._quality, self._preset, self._top = quality, preset, top
        self._sources: list[_Source] = []

    def open(self, info: StreamInfo) -> None:
        """Raises `KinemaError` when the folder cannot be written or another process records there."""
        folder = self._folder if self._folder is not None else info.folder
        if folder is None:
            raise UsageError("recording: no folder was given to record into")
        self._root = Path(folder) / SEGMENTS
        self._info = info
        self._storage = Storage(
            [self._root], self._limit, self._reserve, lambda text: self.tell(f"{self.name}: {text}")
        )
        self._storage.open()
        if found := recover(self._root):
            count = f"{len(found)} recording" + ("s" if len(found) > 1 else "")
            self.tell(f"{self.name}: {count} of a process that was killed got an end: {found[-1]}")
        self._sources = [_Source(name, Annotator(info.classes, self._top)) for name in info.sources]

    def row(self, row: Row) -> None:
        """Write the frames that waited for it."""
        source = self._sources[row.source]
        source.annotator.row(row)
        self._write(source)

    def event(self, event: Event) -> None:
        """Note which events go on."""
        if event.source in self._info.sources:
            self._sources[self._info.sources.index(event.source)].annotator.event(event)

    def view(self, view: View) -> None:
        """Take a frame, which is written when the rows have come as far."""
        source = self._sources[view.source]
        source.annotator.hold(view)
        self._write(source)

    def notice(self, notice: Notice) -> None:
        """Begin a new file when a source has changed, and finish that of a source that has ended."""
        if notice.kind in ("changed", "ended", "failed") and notice.name in self._info.sources:
            self._finish(self._sources[self._info.sources.index(notice.name)])

    def close(self, timeout: float = 5.0) -> None:
        """Finish all files."""
        for source in self._sources:
            self._finish(source)
        if self._sources:
            self._storage.close()
        self._sources = []

    def _write(self, source: _Source, *, all_of_them: bool = False) -> None:
        for view in source.annotator.ready(all_of_them=all_of_them):
            size = (view.image.shape[1], view.image.shape[0])
            if source.segment and not source.segment.takes(view.time, size, self._seconds):
                self._end(source)
            source.saw(view.time)
            try:
                if source.segment is None:
                    if not self._storage.may_write():
                        continue
                    source.segment = self._begin(source, view, size)
                source.segment.write(view)
            except KinemaError as error:
                self._fail(source, error)
                continue
            if source.segment.frame_count == _SURE_AFTER:
                self._storage.wrote()
            self._storage.prune(self._busy())

    def _begin(self, source: _Source, view: View, size: tuple[int, int]) -> _Segment:
        taken = datetime.now(UTC) - timedelta(seconds=max(0.0, time.monotonic() - view.captured))
        path = self._free_path(source.names.name(taken))
        self._storage.prune(self._busy(), now=True)
        return _Segment(path, view.time, size, source.rate, self._quality, self._preset)

    def _free_path(self, stem: str) -> Path:
        """Return the path of a new segment; a second one of the same millisecond gets a number."""
        numbered = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
        paths = (self._root / f"{name}{UNFINISHED}" for name in numbered)
        return next(path for path in paths if not path.exists() and not finished(path).exists())

    def _finish(self, source: _Source) -> None:
        self._write(source, all_of_them=True)
        self._end(source)

    def _end(self, source: _Source) -> None:
        segment, source.segment = source.segment, None
        if segment is not None:
            try:
                segment.finish()
                self._storage.wrote()
            except KinemaError as error:
                self._storage.pause(error)
            self._storage.prune(self._busy(), now=True)

    def _fail(self, source: _Source, error: KinemaError) -> None:
        segment, source.segment = source.segment, None
        self._storage.pause(error)
        if segment is not None:
            segment.abandon()

    def _busy(self) -> set[str]:
        return {source.segment.stem for source in self._sources if source.segment}


class _Source:
    """What is known of one source: its frames and what is said of them, the file, and the rate of the frames."""

    def __init__(self, name: str, annotator: Annotator) -> None:
        self.names = SegmentNames(name)
        self.annotator = annotator
        self.segment: _Segment | None = None
        self.rate = _RATE_WHEN_UNKNOWN
        self._last: float | None = None

    def saw(self, time: float) -> None:
        """Take the time of a frame."""
        if self._last is not None and 0.004 < time - self._last < 1:
            self.rate += 0.1 * (1 / (time - self._last) - self.rate)
        self._last = time


class _Segment:
    """One file: `….recording.mp4` until it is finished."""

    def __init__(
        self, path: Path, start: float, size: tuple[int, int], rate: float, quality: int, preset: str
    ) -> None:
        self.path, self.start, self.size = path, start, size
        self.stem = path.name.removesuffix(UNFINISHED)
        self.frame_count = 0
        self._last = start
        self._writer = VideoWriter(
            path, round(rate * 100) / 100, quality=quality, preset=preset, threads=1, growing=True
        )
        self._writer.__enter__()

    def takes(self, time: float, size: tuple[int, int], seconds: float) -> bool:
        """Say whether a frame belongs into this file."""
        going_on = -_BACKWARDS < time - self._last <= _LONGEST_GAP
        return size == self.size and going_on and time - self.start < seconds

    def write(self, view: View) -> None:
        """Append a picture. Raises `KinemaError` when it cannot be written."""
        self._writer.write(Frame(view.image, view.time, self.frame_count))
        self.frame_count += 1
        self._last = view.time

    def finish(self) -> Path:
        """Give the file its end and its name. Raises `KinemaError` when its end cannot be written."""
        try:
            self._writer.__exit__(None, None, None)
        except KinemaError:
            self._settle(whole=False)
            raise
        return self._settle(whole=True)

    def abandon(self) -> None:
        """Keep what was written before a failure."""
        gone = RuntimeError("given up")
        try:
            self._writer.__exit__(RuntimeError, gone, None)
        except RuntimeError as error:
            if error is not gone:
                raise
        self._settle(whole=False)

    def _settle(self, *, whole: bool) -> Path:
        final = finished(self.path)
        if not self.frame_count or not (whole or plays(self.path)):
            self.path.unlink(missing_ok=True)
        elif self.path.exists():
            self.path.replace(final)
        return final
