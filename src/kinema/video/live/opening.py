"""One door to sources as they come in real time, with the options that a command line gives them."""

from __future__ import annotations

import os
import re
from pathlib import Path

from kinema.errors import UsageError
from kinema.video.frame import Source
from kinema.video.live.address import is_stream, redacted
from kinema.video.live.camera import CameraSource
from kinema.video.live.paced import PacedSource
from kinema.video.live.raw import RawSource
from kinema.video.live.source import LiveSource
from kinema.video.live.stream import StreamSource

_DEVICE = re.compile(r"/dev/v(ideo\d|4l/)")


def open_live(
    uri: str | os.PathLike[str] | int,
    *,
    realtime: bool = False,
    speed: float = 1.0,
    fps: float | None = None,
    size: tuple[int, int] | None = None,
    stdin_size: tuple[int, int] | None = None,
    stdin_fps: float | None = None,
    stdin_format: str = "rgb24",
    udp: bool = False,
    timeout: float = 10.0,
    silence: float = 5.0,
    give_up: float | None = None,
) -> Source:
    """Open any source for watching: a camera's number or path, a stream's address, `-` (raw frames on standard input), a
    video file, a folder of images, a video in an object store.

    `realtime`: a file, folder or recording at its own pace, `speed` times as fast; otherwise as fast as its pictures are
    taken. `fps` and `size` are wishes to a camera; `fps` is also the rate of a folder of images. `stdin_size` (width,
    height), `stdin_fps` and `stdin_format` (FFmpeg's name) say what comes on standard input. `udp`, `timeout`, `silence`
    and `give_up` are those of `StreamSource`, `give_up` also that of a camera.

    Raises what `kinema.video.open_source` raises.
    """
    if not isinstance(uri, int) and os.fspath(uri) == "-":
        source: Source = _standard_input(stdin_size, stdin_fps, stdin_format)
    else:
        if stdin_size is not None or stdin_fps is not None:
            raise UsageError("a size and rate of standard input go with the source '-'")
        device = camera_of(uri)
        if device is not None:
            source = CameraSource(device, size=size, fps=fps, give_up=give_up)
        elif size is not None:
            raise UsageError(f"{told(uri)}: a size is for cameras; another source has its own")
        elif is_stream_address(uri):
            if fps is not None:
                raise UsageError(
                    f"{told(uri)}: fps is for cameras and folders of images; a stream has its own rate"
                )
            source = StreamSource(os.fspath(uri), udp=udp, timeout=timeout, silence=silence, give_up=give_up)  # type: ignore[arg-type]
        else:
            from kinema.video.opening import open_source

            source = open_source(uri, fps=fps)
    if realtime and not source.live:
        return PacedSource(source, speed)
    return source


def camera_of(uri: str | os.PathLike[str] | int) -> int | str | None:
    """Return the camera that a source's name means: a number, or a device's path; None for anything else.

    >>> camera_of(0), camera_of("1"), camera_of("/dev/video2"), camera_of("walk.mp4")
    (0, 1, '/dev/video2', None)
    """
    if isinstance(uri, int):
        return uri
    name = os.fspath(uri)
    if name.isascii() and name.isdigit() and not Path(name).exists():
        return int(name)
    return name if _DEVICE.match(name) else None


def is_stream_address(uri: str | os.PathLike[str] | int) -> bool:
    """Return whether it is the address of a stream, and no file of that name."""
    return isinstance(uri, str) and is_stream(uri) and not Path(uri).exists()


def told(uri: str | os.PathLike[str] | int) -> str:
    """Return how a source is called in messages: without passwords."""
    return f"camera {uri}" if isinstance(uri, int) else redacted(os.fspath(uri))


def _standard_input(size: tuple[int, int] | None, fps: float | None, pixel_format: str) -> LiveSource:
    if size is None or fps is None:
        raise UsageError(
            "-: raw frames on standard input need their size and rate: --size 640x480 --fps 25 "
            "(in Python: open_live('-', stdin_size=(640, 480), stdin_fps=25))"
        )
    return RawSource(size=size, fps=fps, pixel_format=pixel_format)
