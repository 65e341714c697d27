"""Streams from the network: RTSP, HTTP (a video, MJPEG, HLS) and RTMP."""

from __future__ import annotations

import math
import time

import av.error

from kinema.errors import DataError, UsageError
from kinema.video.live.address import Address, parse
from kinema.video.live.connection import Connection, open_container
from kinema.video.live.faults import fault_of, knock
from kinema.video.live.received import ReceivedSource

_PIECES = 30.0  # seconds; an HLS stream brings a piece of several seconds, and then nothing for as long
_AGAIN = 5.0  # seconds that a server may take when it is asked again


class StreamSource(ReceivedSource):
    """A stream by its address: `rtsp://`, `rtsps://`, `http://`, `https://`, `rtmp://`, `rtmps://`.

    Behind `http` may be a video file, MJPEG (`multipart/x-mixed-replace`) or an HLS playlist. FFmpeg may use only the
    protocols and formats that such an address needs: neither a redirect nor a playlist leads to a file. The password
    of an address is shown nowhere; where the address has none, KINEMA_SOURCE_USER and KINEMA_SOURCE_PASSWORD serve.

    `time` continues over reconnects with the time that passed (`LiveClock`). An MJPEG stream has no stamps of its own:
    a picture's time is its arrival. The pieces of an HLS playlist are shown at their own pace, and `arrived` is when a
    picture was due. A video file at an address ends as a file does (`live` is then false).

    >>> with StreamSource("rtsp://camera.local/live") as source:  # doctest: +SKIP
    ...     for frame in source.frames(fps=8.0, size=(224, 224)):
    ...         print(frame.time)
    """

    def __init__(
        self,
        uri: str,
        *,
        udp: bool = False,
        timeout: float = 10.0,
        silence: float = 5.0,
        give_up: float | None = None,
    ) -> None:
        """Connect and wait for the first picture.

        `udp`: RTSP over UDP instead of TCP. Seconds: `timeout` for a server that does not answer at the start,
        `silence` after which a connection that brings nothing counts as lost, `give_up` after which a lost one is not
        tried any more (None: never).

        Raises `DataError` with the cause when the first connection fails, `UsageError` for an address or a number of
        seconds that makes no sense.
        """
        for word, value in (("timeout", timeout), ("silence", silence), ("give_up", give_up)):
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise UsageError(f"{word} must be a positive number of seconds, not {value}")
        opener = _Server(parse(uri), udp, timeout, silence)
        super().__init__(opener, waiting=timeout, give_up=give_up)


class _Server:
    """Opens one address."""

    def __init__(self, address: Address, udp: bool, timeout: float, silence: float) -> None:
        self.name = address.name
        self.silence = silence
        self._address, self._timeout = address, timeout
        self._options = address.options(udp=udp)
        if ".m3u8" in address.url:
            self.silence = max(silence, _PIECES)

    def open(self, first: bool) -> Connection:
        waiting = self._timeout if first else min(self._timeout, _AGAIN)
        # A host that is switched off answers nothing: a short knock finds it back sooner than a long wait.
        if not first and not self._address.proxied and (fault := knock(self._address)):
            raise DataError(fault)
        began = time.monotonic()
        try:
            container = open_container(self._address.url, None, self._options, waiting, self.silence)
            if container.format.name.startswith("hls") and self.silence < _PIECES:
                container.close()
                self.silence = _PIECES
                container = open_container(self._address.url, None, self._options, waiting, self.silence)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            waited = time.monotonic() - began
            raise DataError(fault_of(self._address, error, waited, waiting)) from error
        try:
            return Connection(self.name, container)
        except DataError:
            container.close()
            raise
