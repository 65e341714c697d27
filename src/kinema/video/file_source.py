"""Video files, decoded with FFmpeg's libraries through PyAV."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, suppress

from kinema.errors import DataError
from kinema.video.decoder import Decoder
from kinema.video.frame import TIME_TOLERANCE, Source
from kinema.video.playback import DecodedPicture, Playback
from kinema.video.timeline import TIMELINES, Timeline, read_timeline, remembered_as

_AHEAD = 8  # frames
_WORTH_SEEKING = 24  # frames; for fewer, decoding them costs less than finding the way around them
_ENDS_EARLY = 0.25  # seconds that a video may fall short of its stated duration; three frames if that is more

_SUFFIXES = """
3g2 3gp asf avi divx dv f4v flv gif h264 hevc m1v m2ts m2v m4v mjpeg mjpg mkv mov mp4 mpeg mpg mts mxf nut ogm ogv qt rm rmvb
ts vob webm wmv y4m
"""
VIDEO_SUFFIXES = frozenset(f".{name}" for name in _SUFFIXES.split())
"""By what files of videos are told apart in a folder, in lower case; one that is named is opened whatever it is called."""


class FileSource(Source):
    """A video file. Frames come in display order, upright.

    Time 0 is the first displayed frame, whatever the stream's own clock says. A frame without a time stamp
    follows its predecessor at the nominal rate. Time never runs backwards: a stamp slightly before its
    predecessor's is raised to it, and where the clock restarts (joined recordings) the frames follow on.

    `frames(start=...)` decodes from the keyframe before `start` when that saves work and the packets' time
    stamps identify every frame, otherwise from the beginning; images, times and indices are the same either
    way. The indices then come from a scan of the packets, which decodes nothing.

    What cannot be decoded is skipped and noted in `problems`, and so is a file that ends before its stated
    duration.
    """

    live = False

    def __init__(self, path: str, *, threads: int | None = None) -> None:
        """Open the file and decode its first frame. Raises `DataError` when that fails."""
        self.name = path
        self._threads = threads
        self._ahead = 0 if threads == 1 else _AHEAD
        self._timeline: Timeline | None = None
        self._scanned = False
        self._damage: dict[str, tuple[int, float]] = {}
        self._short: str | None = None
        # The first pass begins here: opening answers for what it promises, and no work is done twice.
        ready = Playback(path, threads)
        self._ready: Playback | None = ready
        self._first_stamp = ready.first_stamp
        self.size = ready.size
        self.fps: float | None = float(ready.rate) if ready.rate else None
        stream = ready.decoder.stream
        self.frame_count: int | None = stream.frames or None
        # Raw streams and MPEG program streams state no duration; FFmpeg estimates one, from the bit rate or
        # from the last bytes, which is worth nothing.
        self.duration: float | None = None
        if ready.first_stamp is not None and ready.decoder.container_name != "mpeg":
            own = stream.duration and stream.time_base and float(stream.duration * stream.time_base)
            self.duration = own or ready.decoder.container_seconds
        self._others_may_be_longer = not stream.duration and ready.decoder.has_audio

    @property
    def problems(self) -> list[str]:
        """One line for each kind of damage met so far."""
        lines = [
            f"{self.name}: {what}{f', {count} times, first' if count > 1 else ''} near {time:.2f} s"
            for what, (count, time) in self._damage.items()
        ]
        return [*lines, self._short] if self._short else lines

    def pictures(self, start: float, end: float | None) -> Generator[DecodedPicture]:
        playback = self._playback(start)
        try:
            with closing(playback):
                yield from playback.pictures(self.timeline)
        finally:
            self._learn(playback)

    def close(self) -> None:
        ready, self._ready = self._ready, None
        if ready is not None:
            ready.close()

    def __del__(self) -> None:
        with suppress(AttributeError):
            self.close()

    def _playback(self, start: float) -> Playback:
        playback, self._ready = self._ready or Playback(self.name, self._threads), None
        keyframe = self._keyframe_before(start, playback)
        if keyframe is None or (self._timeline and playback.seek(keyframe, self._timeline)):
            return playback
        playback.close()
        return Playback(self.name, self._threads)

    def _keyframe_before(self, start: float, playback: Playback) -> int | None:
        unit = playback.decoder.stream.time_base
        if start * (self.fps or 25.0) < _WORTH_SEEKING or not unit or self._first_stamp is None:
            return None
        timeline = self.timeline() if playback.decoder.seekable else None
        if timeline is None:
            return None
        keyframe = timeline.keyframe_before(self._first_stamp + int((start - TIME_TOLERANCE) / unit))
        worth = keyframe is not None and (timeline.index(keyframe) or 0) >= _WORTH_SEEKING
        return keyframe if worth else None

    def timeline(self) -> Timeline | None:
        """Return when each frame is shown, from the packets; None where they do not tell it. Found once a file."""
        if not self._scanned:
            self._scanned = True
            key = remembered_as(self.name)
            if key in TIMELINES:
                self._timeline = TIMELINES[key]
                return self._timeline
            faults: list[str] = []
            with suppress(DataError), closing(Decoder(self.name, 1, faults.append)) as decoder:
                if decoder.seekable and self._first_stamp is not None:
                    codec = decoder.stream.codec_context.name
                    self._timeline = read_timeline(decoder.packets(), codec, self._first_stamp)
            TIMELINES[key] = self._timeline
        return self._timeline

    def _learn(self, playback: Playback) -> None:
        for what, (count, time) in playback.damage.items():
            known, first = self._damage.get(what, (0, time))
            self._damage[what] = (max(known, count), min(first, time))
        if playback.end is None or self.duration is None or self._others_may_be_longer:
            return
        if playback.end < self.duration - max(_ENDS_EARLY, 3 / (self.fps or 25.0)):
            self._short = (
                f"{self.name}: ends at {playback.end:.2f} s of the {self.duration:.2f} s it states; cut short"
            )
