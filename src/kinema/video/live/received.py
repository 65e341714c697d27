"""A source whose packets a thread receives: what network streams and cameras have in common."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Generator
from contextlib import suppress
from fractions import Fraction
from functools import partial
from typing import Any

import av.error
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from kinema.errors import DataError
from kinema.video.decoder import reason_of
from kinema.video.live.backlog import Arrived, Backlog, Closed, Ended, Item, Opened
from kinema.video.live.clock import LiveClock
from kinema.video.live.connection import Connection, Opener
from kinema.video.live.pacing import Pacer
from kinema.video.live.reader import Reader
from kinema.video.live.source import LivePicture, LiveSource, fit
from kinema.video.pixels import RgbConverter, display_matrix, upright
from kinema.video.playback import Clock

_RATE_WHEN_UNKNOWN = Fraction(25)


class ReceivedSource(LiveSource):
    """Receives in a thread of its own from construction to `close`; decodes in the thread that takes the pictures.

    A lost connection is made again, for ever or until it has been away for `give_up` seconds. Who takes pictures too
    slowly loses those before the newest keyframe (`dropped`), so that nothing is shown late.

    A recording, which ends by itself, is no live source (`live` is false): it waits for whoever takes its pictures,
    drops none, and is not connected again at its end; each call of `pictures` begins it anew, as for a file.
    """

    def __init__(self, opener: Opener, *, waiting: float, give_up: float | None) -> None:
        """Connect, and wait for the first picture. Raises `DataError` when there is none within `waiting` seconds."""
        self.name = opener.name
        self.fps: float | None = None
        self._opener, self._timeout, self._give_up = opener, waiting, give_up
        self._damage: dict[str, int] = {}
        self._fault: str | None = None
        self._converter = RgbConverter()
        self._clock: LiveClock | Clock | None = None
        self._pacer: Pacer | None = None
        self._begin()

    def _begin(self) -> None:
        self._ended = self._taken = False
        self._index = 0
        self._decoder: _Decoder | None = None
        self._backlog = Backlog()
        # The thread holds no reference to the source, which may so be forgotten without being closed.
        self._reader = Reader(self._opener, self._backlog, _teller(self), self._give_up)
        try:
            self._waiting = self._first(self._timeout)
        except BaseException:
            self.close()
            raise

    @property
    def problems(self) -> list[str]:
        """One line for each kind of damage met so far, and for the pictures that were dropped."""
        lines = [
            f"{self.name}: {what}{f', {count} times' if count > 1 else ''}"
            for what, count in self._damage.items()
        ]
        if self.dropped:
            lines.append(f"{self.name}: {self.dropped} pictures were dropped, since nobody took them in time")
        return [*lines, self._fault] if self._fault else lines

    @property
    def dropped(self) -> int:  # type: ignore[override]
        """Packets that were dropped because nobody took pictures in time."""
        return self._backlog.dropped

    def pictures(self, start: float, end: float | None) -> Generator[LivePicture]:
        if self._taken and not self.live and not self._backlog.stopped:
            self._reader.close()
            self._begin()
        self._taken = True
        while not self._backlog.stopped:
            while self._waiting:
                picture = self._waiting.pop(0)
                if self._pacer is not None:
                    due = self._pacer.wait(picture.time, self._backlog.rest)
                    if self._backlog.stopped:
                        return
                    picture.arrived = max(picture.arrived, due)
                yield picture
            if self._ended:
                return
            item = self._backlog.take()
            if item is not None:
                self._waiting = self._take(item)

    def stop(self) -> None:
        self._backlog.stop()

    def close(self) -> None:
        self._reader.close()
        self._waiting, self._decoder = [], None

    def _first(self, waiting: float) -> list[LivePicture]:
        item = self._backlog.take()  # the opener knows how long to wait for this
        until = time.monotonic() + waiting
        while item is not None and not isinstance(item, Ended):
            if pictures := self._take(item):
                return pictures
            item = self._backlog.take(until)
        if item is not None:
            raise DataError(item.fault or f"{self.name}: it ended before its first picture")
        raise DataError(
            f"{self.name}: connected, but no picture could be decoded in {waiting:g} s; is it damaged?"
        )

    def _take(self, item: Item) -> list[LivePicture]:
        if isinstance(item, Arrived):
            return self._decode(item.packet, item.at)
        if isinstance(item, Closed):
            return self._decode(None, time.monotonic())
        if isinstance(item, Opened):
            self._connected(item.connection)
            return []
        self._ended, self._fault = True, item.fault
        if item.fault:
            self.tell("failed", item.fault)
        else:
            self.tell("ended", f"{self.name}: ended")
        return []

    def _connected(self, connection: Connection) -> None:
        before, self._decoder = self._decoder, _Decoder(connection)
        if before is None:
            self.fps = connection.fps
            self.live, self.duration = not connection.recording, connection.seconds
            if connection.recording:
                rate = (
                    Fraction(connection.fps).limit_denominator(1001) if connection.fps else _RATE_WHEN_UNKNOWN
                )
                self._clock = Clock(Fraction(1, 1_000_000), 1 / rate)
            else:
                self._clock = LiveClock(None if connection.paced else 10.0)
            self._pacer = Pacer() if connection.paced else None
        elif isinstance(self._clock, LiveClock):
            self._clock.reconnected()
            if before.codec != self._decoder.codec:
                self.tell("changed", f"{self.name}: now {self._decoder.codec}, before {before.codec}")

    def _decode(self, packet: Any, arrived: float) -> list[LivePicture]:
        decoder = self._decoder
        if decoder is None:
            return []
        began = time.perf_counter()
        try:
            frames = decoder.frames(packet, arrived)
        except EOFError:
            return []
        except (av.error.FFmpegError, OSError, ValueError) as error:
            what = f"a picture could not be decoded ({reason_of(error)})"
            self._damage[what] = self._damage.get(what, 0) + 1
            return []
        took = (time.perf_counter() - began) / max(1, len(frames))
        return [self._picture(decoder, frame, arrived, took) for frame in frames]

    def _picture(self, decoder: _Decoder, frame: VideoFrame, arrived: float, took: float) -> LivePicture:
        if frame.is_corrupt:
            self._damage["a picture is damaged"] = self._damage.get("a picture is damaged", 0) + 1
        matrix = display_matrix(frame)
        size = (frame.height, frame.width) if matrix[1] else (frame.width, frame.height)
        if not self._index:
            self.size = self._now = size
        elif size != self._now:
            was, self._now = self._now, size
            self.tell(
                "changed",
                f"{self.name}: pictures of {size[0]}x{size[1]} pixels now, {was[0]}x{was[1]} before; "
                f"shown as {self.size[0]}x{self.size[1]}",
            )
        arrived = frame.opaque if isinstance(frame.opaque, float) else arrived
        stamp = decoder.seconds(frame)
        assert self._clock is not None
        if isinstance(self._clock, LiveClock):
            shown = self._clock.time(stamp, arrived)
        else:
            shown = self._clock.time(None if stamp is None else round(stamp * 1_000_000))
        convert = partial(_image, self.name, self._converter, frame, matrix, self.size)
        picture = LivePicture(shown, self._index, arrived, took, convert)
        self._index += 1
        return picture


class _Decoder:
    """Decodes the packets of one connection."""

    def __init__(self, connection: Connection) -> None:
        self.codec = connection.codec
        self._context, self._unit, self._stamped = connection.context, connection.unit, connection.stamped

    def frames(self, packet: Any, arrived: float) -> list[VideoFrame]:
        if packet is not None:
            packet.opaque = arrived
        return self._context.decode(packet)

    def seconds(self, frame: VideoFrame) -> float | None:
        return frame.pts * self._unit if self._stamped and frame.pts is not None else None


def _image(
    name: str,
    converter: RgbConverter,
    frame: VideoFrame,
    matrix: tuple[int, int, int, int],
    canvas: tuple[int, int],
    size: tuple[int, int] | None,
) -> NDArray[np.uint8]:
    try:
        image = upright(converter.rgb(frame), matrix)
    except (av.error.FFmpegError, ValueError) as error:
        raise DataError(f"{name}: its pixel format {frame.format.name} cannot be converted to RGB") from error
    return fit(image, canvas, size)


def _teller(source: LiveSource) -> Callable[[str, str], None]:
    known = weakref.ref(source)

    def tell(kind: str, text: str) -> None:
        with suppress(ReferenceError):
            source = known()
            if source is not None:
                source.tell(kind, text)

    return tell
