"""An open stream of a camera or a server, and opening it."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Protocol

import av
from av.container import InputContainer

from kinema.errors import DataError
from kinema.video.decoder import video_stream

_WITHOUT_STAMPS = frozenset({"mpjpeg", "mjpeg", "h264", "hevc", "m4v", "mpegvideo", "av1", "obu"})
_ENDLESS = frozenset({"rtsp", "mpjpeg", "video4linux2,v4l2", "avfoundation", "dshow"})
_MOST_THREADS = 4


class Connection:
    """An open container and its main video stream.

    What the decoding thread needs is read here once, since the container may be closed by the receiving thread while
    the last packets are still decoded. `stamped`: whether its time stamps are the sender's, and not invented by FFmpeg
    from a nominal rate. `recording`: whether it ends by itself, as a file does; `seconds` is then its length.
    `paced`: whether pictures arrive many at once and are shown one by one.
    """

    def __init__(self, name: str, container: InputContainer) -> None:
        """Raises `DataError` when nothing in it is a picture."""
        self._container = container
        kinds = [stream.type for stream in container.streams]
        if "video" not in kinds:
            what = "it sends sound only" if "audio" in kinds else "it sends no pictures"
            raise DataError(f"{name}: connected, but {what}; choose a stream with video")
        stream = video_stream(name, container)
        self.index = stream.index
        self.context = stream.codec_context
        self.codec = str(self.context.name)
        self.unit = float(stream.time_base or 0)
        form = str(container.format.name)
        self.stamped = form not in _WITHOUT_STAMPS and self.unit > 0
        rate = stream.average_rate or stream.guessed_rate
        self.fps = float(rate) if rate and self.stamped else None
        seconds = None if container.duration is None else container.duration / 1_000_000
        self.recording = self.recorded(form, seconds, container)
        self.seconds = seconds if self.recording else None
        self.paced = form.startswith("hls") and not self.recording
        # Frame threads would hold each picture back until the next ones have come.
        self.context.thread_type = "AUTO" if self.recording else "SLICE"
        self.context.thread_count = _MOST_THREADS if not self.recording else 0
        self.context.copy_opaque = True

    @staticmethod
    def recorded(form: str, seconds: float | None, container: InputContainer) -> bool:
        """Return whether it is a file: a playlist that is complete, or what a server states the length of."""
        if form.startswith("hls"):
            return seconds is not None
        return form not in _ENDLESS and container.size > 0

    def packets(self) -> Generator[Any]:
        """Yield the packets of all streams as they arrive."""
        yield from self._container.demux()

    def close(self) -> None:
        self._container.close()


class Opener(Protocol):
    """Knows how to reach a camera or a server. `name` is what may be told of it."""

    name: str
    silence: float
    """Seconds without a picture after which a connection counts as lost."""

    def open(self, first: bool) -> Connection:
        """Connect; raises `DataError` with one line that names the cause. Waits less where it is not the `first` time."""


def open_container(
    url: str, form: str | None, options: dict[str, str], waiting: float, silence: float
) -> InputContainer:
    """Open what FFmpeg reads, waiting at most `waiting` seconds for each of its steps and `silence` for each packet.

    Raises FFmpeg's errors.
    """
    return av.open(
        url, format=form, options=dict(options), timeout=(waiting, silence), metadata_errors="replace"
    )
