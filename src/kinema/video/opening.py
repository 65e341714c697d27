"""One door to every kind of source."""

from __future__ import annotations

import os
import re
from pathlib import Path

from kinema.errors import DataError, UsageError
from kinema.video.file_source import FileSource
from kinema.video.folder_source import FolderSource
from kinema.video.frame import Source

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def open_source(
    uri: str | os.PathLike[str] | int, *, fps: float | None = None, threads: int | None = None
) -> Source:
    """Open a video file or a folder of images.

    `fps`: frames a second of a folder of images (default 25); refused for a video file, which knows its own.
    `threads`: decoder threads of a video file (default: one more than cores, at most 5).
    What exists on disk is always opened as a plain file, whatever its name looks like.

    Raises `DataError` for what is missing, unreadable, not a video, without a picture; `UsageError` for a
    camera number or a network address.
    """
    if isinstance(uri, int):
        raise _live(f"camera {uri}")
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
    if not found and (name.isdigit() or _ADDRESS.match(name)):
        raise _live(f"camera {name}" if name.isdigit() else name)
    if fps is not None:
        raise UsageError(f"{name}: fps is for folders of images; a video file has its own frame rate")
    return FileSource(name, threads=threads)


def _live(what: str) -> UsageError:
    return UsageError(
        f"{what}: live sources come with `kinema watch` in a later version; give a file or a folder of images"
    )
