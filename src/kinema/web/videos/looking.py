"""What an uploaded file is: found by decoding it, in the process of its job and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinema.errors import DataError
from kinema.files import atomic_path, content_hash
from kinema.video import open_source, resize
from kinema.video.jpeg import jpeg
from kinema.web.jobs.kinds import Progress

_LOOKED_AT = 3.0  # seconds that are decoded frame by frame
_MOST_FRAMES = 150
_THUMBNAIL = 480  # pixels, the longer side


@dataclass(frozen=True)
class Facts:
    """Of a video: seconds, pixels as displayed, frames a second, and the SHA-256 of its bytes."""

    duration: float
    width: int
    height: int
    fps: float | None
    sha256: str


def look(path: Path, thumbnail: Path, progress: Progress) -> Facts:
    """Decode the beginning of a video, find its length, write a thumbnail (JPEG). Raises `DataError` for what is none.

    `kinema.video` opens a file with FFmpeg's file protocol alone and only as containers that hold their pictures
    themselves: a playlist, a script or a session description under another name is refused before it is followed.
    """
    progress(0, 4, "decoding")
    with open_source(path) as source:
        width, height = source.size
        last, count = 0.0, 0
        picture: NDArray[np.uint8] | None = None
        for frame in source.frames(end=_LOOKED_AT):
            progress.check()
            picture, last, count = frame.image, frame.time, count + 1
            if count >= _MOST_FRAMES:
                break
        if picture is None:
            raise DataError(f"{path}: no frame of this video can be decoded")
        duration = source.duration
        progress(1, 4, "measuring")
        if duration is None:  # raw streams do not say: the end is found by going there
            for frame in source.frames(fps=1.0, size=(64, 36), seen=lambda index, time: progress.check()):
                last = frame.time
            duration = last + 1 / (source.fps or 25.0)
        progress(2, 4, "taking a picture")
        for frame in source.frames(start=min(0.25 * duration, 10.0), fps=1.0):
            picture = frame.image
            break
        fps = source.fps
    _write_thumbnail(picture, thumbnail)
    progress(3, 4, "reading it once more")
    return Facts(duration, width, height, fps, content_hash(path))


def _write_thumbnail(picture: NDArray[np.uint8], path: Path) -> None:
    height, width = picture.shape[:2]
    share = min(1.0, _THUMBNAIL / max(width, height))
    small = resize(picture, (max(1, round(width * share)), max(1, round(height * share))))
    with atomic_path(path) as temporary:
        temporary.write_bytes(jpeg(small))
