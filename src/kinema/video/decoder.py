"""One pass over one video file: packets in, decoded frames out, damage noted and survived."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from kinema.errors import DataError

CONTAINERS = (
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,live_flv,asf,ogg,gif,apng,h264,hevc,vvc,av1,obu,ivf,m4v,mjpeg,"
    "mpjpeg,rm,dv,mxf,nut,wtv,3gp,dirac,vc1,vc1test,swf,h261,h263,y4m,yuv4mpegpipe,nsv,nuv,bink,roq,smk,4xm,cavsvideo,"
    "webp_pipe,mp3,wav,flac,aac,w64,aiff,au,caf,amr,ac3,eac3"
)
"""FFmpeg's names of containers that hold their pictures themselves. A file must not make FFmpeg read other files or the
network: playlists, concat scripts and image patterns are left out."""
MOST_PIXELS = 100_000_000
"""Of one picture, three times those of 8K. A few kilobytes may state a picture that fills the memory once decoded, at any
place of a file: FFmpeg refuses it before it takes the memory."""
_LIMITS = {"max_pixels": str(MOST_PIXELS)}
_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS, **_LIMITS}
_MOST_THREADS = 5
# FFmpeg's frame threads wait for each other in this decoder: 1.2 times the time of one thread, on two cores.
_SERIAL = frozenset({"mpeg4"})
_READ_RETRIES = 8


class Decoder:
    """Reads and decodes the main video stream of a file, in display order, from the start or from a keyframe.

    `damage(what)` is called for each thing that could not be decoded. Time stamps of `stamp` are in units of
    `time_base` seconds.
    """

    def __init__(self, name: str, threads: int | None, damage: Callable[[str], None]) -> None:
        """Raises `DataError` unless `name` is a readable file with a video stream."""
        self._name = name
        self._damage = damage
        self._container = _open_container(name)
        try:
            self.stream = video_stream(name, self._container)
        except DataError:
            self._container.close()
            raise
        self.stream.thread_type = "AUTO"  # frame threads where the codec has them, else slices
        serial = self.stream.codec_context.name in _SERIAL
        self.stream.thread_count = threads or (1 if serial else _default_threads())
        self._context = self.stream.codec_context
        self._context.options = dict(_LIMITS)
        # AVI holds no presentation times: with B-frames FFmpeg guesses them wrong (0, 3, 2, 4, 6 ...), while
        # the decoding time at which each frame comes out is exact.
        self._stamp_by_dts = self.container_name == "avi" and bool(self.stream.codec_context.has_b_frames)

    @property
    def container_name(self) -> str:
        return str(self._container.format.name)

    @property
    def container_seconds(self) -> float | None:
        """The duration that the container states for all of its streams."""
        return None if self._container.duration is None else self._container.duration / 1_000_000

    @property
    def has_audio(self) -> bool:
        return bool(self._container.streams.audio)

    @property
    def seekable(self) -> bool:
        """Whether the file's time stamps can identify a frame."""
        return not self._stamp_by_dts

    def stamp(self, frame: VideoFrame) -> int | None:
        """Return when a frame is shown, in time-base units of the stream; None when the file does not say."""
        return frame.dts if self._stamp_by_dts else frame.pts

    def packets(self) -> Iterator[Any]:
        """Yield the packets of the stream, the last one empty; reading goes on after a damaged place if it
        can.
        """
        failures = 0
        while True:
            try:
                for packet in self._container.demux(self.stream):
                    failures = 0
                    yield packet
                return
            except (av.error.FFmpegError, OSError) as error:
                if failures == 0:
                    self._damage(f"the file cannot be read on ({reason_of(error)})")
                failures += 1
                if failures > _READ_RETRIES:
                    return

    def frames(self, from_stamp: int | None = None) -> Iterator[VideoFrame]:
        """Yield decoded frames in display order; after `seek`, `from_stamp` is the keyframe's, earlier frames
        are left out.
        """
        waiting = from_stamp is not None
        for packet in self.packets():
            if waiting and packet.size:
                if not packet.is_keyframe:
                    continue
                if packet.pts is None or packet.pts > (from_stamp or 0):
                    return
                waiting = packet.pts < (from_stamp or 0)
                if waiting:
                    continue
            for frame in self._decode(packet):
                if from_stamp is not None and (frame.pts is None or frame.pts < from_stamp):
                    continue  # pictures shown before an open group's keyframe lack what they refer to
                yield frame
        # After a read error no empty packet came to drain the decoder.
        for _ in range(_READ_RETRIES):
            rest = self._decode(None)
            if not rest:
                return
            yield from rest

    def seek(self, stamp: int) -> bool:
        """Go to the keyframe at `stamp`; return whether the container could."""
        try:
            self._container.seek(stamp, stream=self.stream, backward=True)
        except (av.error.FFmpegError, OSError):
            return False
        return True

    def close(self) -> None:
        self._container.close()

    def _decode(self, packet: Any) -> list[VideoFrame]:
        try:
            return self._context.decode(packet)
        except EOFError:
            return []
        except (av.error.FFmpegError, OSError) as error:
            self._damage(f"a frame cannot be decoded ({reason_of(error)})")
            return []


def _open_container(name: str) -> InputContainer:
    path = Path(name)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{name}: not a regular file; give a video file or a folder of images")
        with path.open("rb"):
            pass
    except FileNotFoundError as error:
        raise DataError(f"{name}: no such file; check the path") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{name}: the file cannot be read: {reason}; check its permissions") from error
    if status.st_size == 0:
        raise DataError(f"{name}: the file is empty (0 bytes); fetch or copy it again")
    try:
        # "file:" keeps FFmpeg from reading an address or an option into the name; the titles of old files are
        # in any encoding.
        return av.open(f"file:{path.absolute()}", options=dict(_OPTIONS), metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise DataError(
            f"{name}: not a readable video ({reason_of(error)}); damaged, cut short or another kind of file"
        ) from error


def video_stream(name: str, container: InputContainer) -> VideoStream:
    """Return the main video stream of an open container; raises `DataError` when it has none that can be decoded."""
    pictures = av.stream.Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & pictures]
    if not streams:
        kind = "audio only" if container.streams.audio else "no pictures"
        raise DataError(f"{name}: no video stream in this file ({kind})")
    with suppress(ValueError, TypeError):
        best = container.streams.best("video")
        if isinstance(best, VideoStream) and best in streams:
            streams.insert(0, best)
    stream = streams[0]
    if stream.codec_context is None:
        raise DataError(f"{name}: no decoder for its video stream; convert it, to H.264 for example")
    if stream.width * stream.height > MOST_PIXELS:
        raise DataError(
            f"{name}: pictures of {stream.width} x {stream.height} pixels are more than can be decoded; make them smaller"
        )
    return stream


def _default_threads() -> int:
    # One more than cores, as FFmpeg itself does: the caller's thread converts and waits while they decode.
    return min(_MOST_THREADS, (os.cpu_count() or 1) + 1)


def reason_of(error: Exception) -> str:
    """Return in one line what FFmpeg or the system says, without the address that it was about."""
    text = getattr(error, "strerror", None) or str(error)
    return str(text).splitlines()[0] if str(text) else type(error).__name__
