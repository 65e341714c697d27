"""One door to every kind of source."""

from __future__ import annotations

import os
from pathlib import Path

from kinema.errors import DataError, UsageError
from kinema.video.file_source import FileSource
from kinema.video.folder_source import FolderSource
from kinema.video.frame import Source
from kinema.video.live.address import redacted, scheme_of
from kinema.video.live.opening import camera_of, is_stream_address, open_live
from kinema.video.remote import StoredSource, address_of, is_address


def open_source(
    uri: str | os.PathLike[str] | int, *, fps: float | None = None, threads: int | None = None
) -> Source:
    """Open any source of pictures by its name:

    - a video file, a folder of images, a video in an object store (s3://bucket/video.mp4, gs://, az://);
    - a camera of this machine: 0 for the first, or a path such as /dev/video0;
    - a stream: rtsp://, http:// (a video, MJPEG or HLS), rtmp://, and the same with TLS.

    `fps`: frames a second of a folder of images (default 25), or wanted of a camera; refused for a video file and a
    stream, which know their own. `threads`: decoder threads of a video file (default: one more than cores, at most 5).
    What exists on disk is always opened as a plain file, whatever its name looks like; the path of a stored
    video's copy (`kinema.video.remote`) stands for the stored video. `kinema.video.live.open_live` has the options of
    live sources, and raw frames on standard input.

    Raises `DataError` for what is missing, unreadable, busy, not a video, without a picture; `UsageError` for an
    address of an unknown kind and for `-`, which needs options; `StoreError` when an object store refuses or does not
    answer.
    """
    if isinstance(uri, int) or uri == "-" or camera_of(uri) is not None or is_stream_address(uri):
        return open_live(uri, fps=fps)
    name = os.fspath(uri)
    path = Path(name)
    if not name:
        raise UsageError("no video given: name a video file or a folder of images")
    try:
        found, folder = path.exists(), path.is_dir()
    except (OSError, ValueError) as error:
        raise DataError(f"{name!r}: cannot be opened: {error}") from error
    if folder:
        return FolderSource(name, fps=25.0 if fps is None else fps)
    stored = name if not found and is_address(name) else address_of(path)
    if stored is None and not found and scheme_of(name):
        raise UsageError(
            f"{redacted(name)}: no known kind of address; known are rtsp, rtsps, http, https, rtmp, rtmps, s3, gs and az"
        )
    if fps is not None:
        raise UsageError(f"{name}: fps is for folders of images; a video file has its own frame rate")
    return FileSource(name, threads=threads) if stored is None else StoredSource(stored, threads=threads)
