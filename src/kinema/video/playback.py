"""One pass over a video file: which frame it is, when it is shown, and its pixels when they are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import av.error
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from kinema.errors import DataError
from kinema.video.decoder import MOST_PIXELS, Decoder
from kinema.video.pixels import RgbConverter, display_matrix, upright
from kinema.video.scaling import resize
from kinema.video.timeline import Timeline

_RATE_WHEN_UNKNOWN = Fraction(25)
_LEAP_BACK = 1.0  # seconds; a clock that steps back further has been restarted


class Playback:
    """Decodes the first frame at once; `pictures` then gives all, from the first or from where `seek` went.

    `damage`: how often each kind of fault was met, and when first. `end`: when the last frame's showing ends,
    in seconds, once the file has been read to its end; None before.
    """

    def __init__(self, name: str, threads: int | None) -> None:
        """Raises `DataError` when the file cannot be opened or no frame of it decodes."""
        self.name = name
        self.damage: dict[str, tuple[int, float]] = {}
        self.end: float | None = None
        self._time = 0.0
        self._damaged = False
        self.decoder = Decoder(name, threads, self._note)
        stream = self.decoder.stream
        self.rate: Fraction | None = stream.average_rate or stream.guessed_rate or stream.base_rate
        first = None
        try:
            self._frames = self.decoder.frames()
            first = next(self._frames, None)
        finally:
            if first is None:
                self.decoder.close()
        if first is None:
            raise DataError(
                f"{name}: no frame of this video can be decoded; it is empty, cut short, damaged or larger than "
                f"{MOST_PIXELS // 1_000_000} million pixels a picture"
            )
        self.first = first
        self.first_stamp = self.decoder.stamp(first)
        self.matrix = display_matrix(first)
        self.size = (first.height, first.width) if self.matrix[1] else (first.width, first.height)
        self._next: VideoFrame = first
        self._index = 0
        self._clock = Clock(stream.time_base or Fraction(1, 1000), 1 / (self.rate or _RATE_WHEN_UNKNOWN))

    def seek(self, keyframe: int, timeline: Timeline) -> bool:
        """Go on from the keyframe with that stamp; return False, the pass then being spent, when the file
        does not obey.
        """
        index = timeline.index(keyframe)
        if index is None or self.first_stamp is None or not self.decoder.seek(keyframe):
            return False
        self._clock.start_at(self.first_stamp)
        self._frames = self.decoder.frames(from_stamp=keyframe)
        first = next(self._frames, None)
        if first is None or self.decoder.stamp(first) != keyframe:
            return False
        self._next, self._index = first, index
        return True

    def pictures(self, timeline: Callable[[], Timeline | None]) -> Iterator[DecodedPicture]:
        """Yield what can be decoded, once. `timeline` is asked for only after damage, to number the frames
        behind it.
        """
        converter = RgbConverter()
        stamp_of, time_at = self.decoder.stamp, self._clock.time
        frame: VideoFrame = self._next
        while True:
            stamp = stamp_of(frame)
            self._time = time_at(stamp)
            if frame.is_corrupt:
                self._note("a frame is damaged")
            if self._damaged and (known := timeline()) and (rank := known.index(stamp)) is not None:
                self._index = rank
            yield DecodedPicture(self, converter, frame, self._time, self._index)
            self._index += 1
            following = next(self._frames, None)
            if following is None:
                break
            frame = following
        shown = Fraction(frame.duration or 0) * (frame.time_base or 0)
        self.end = self._time + float(shown or self._clock.period)

    def close(self) -> None:
        self.decoder.close()

    def _note(self, what: str) -> None:
        count, time = self.damage.get(what, (0, self._time))
        self.damage[what] = (count + 1, time)
        self._damaged = True


class Clock:
    """Turns time stamps into seconds since the first frame that never run backwards.

    >>> clock = Clock(Fraction(1, 100), Fraction(1, 25))
    >>> [round(clock.time(stamp), 2) for stamp in (500, 504, None, 512, 511, 3, 7)]
    [0.0, 0.04, 0.08, 0.12, 0.12, 0.16, 0.2]
    """

    def __init__(self, time_base: Fraction, period: Fraction) -> None:
        """`time_base`: seconds of one unit of a stamp. `period`: seconds from one frame to the next,
        nominally.
        """
        self.period = period
        self._step = float(period)
        self._unit = time_base
        self._numerator, self._denominator = time_base.numerator, time_base.denominator
        self._origin: int | None = None
        self._last: float | None = None

    def start_at(self, stamp: int) -> None:
        """Say which stamp is time 0."""
        self._origin = stamp

    def time(self, stamp: int | None) -> float:
        """Return the time in seconds of the next frame, whose stamp may be missing."""
        last = self._last
        expected = 0.0 if last is None else last + self._step
        if stamp is None:
            time = expected
        else:
            if self._origin is None or (last and self._seconds(stamp) < last - _LEAP_BACK):
                self._origin = stamp - round(expected / self._unit)
            time = max(self._seconds(stamp), last or 0.0)
        self._last = time
        return time

    def _seconds(self, stamp: int) -> float:
        return (stamp - (self._origin or 0)) * self._numerator / self._denominator


@dataclass(slots=True)
class DecodedPicture:
    """A decoded frame that becomes RGB only when asked."""

    playback: Playback
    converter: RgbConverter
    frame: VideoFrame
    time: float
    index: int

    def image(self, size: tuple[int, int] | None) -> NDArray[np.uint8]:
        """Return RGB uint8 `(H, W, 3)` of `size` = (width, height), None for the size of the first frame."""
        try:
            image = self.converter.rgb(self.frame)
        except (av.error.FFmpegError, ValueError) as error:
            raise DataError(
                f"{self.playback.name}: its pixel format {self.frame.format.name} cannot be converted to RGB"
            ) from error
        # A stream may change its size on the way; the first frame's holds for all.
        image = resize(upright(image, self.playback.matrix), self.playback.size)
        return np.ascontiguousarray(image if size is None else resize(image, size))
