"""A candidate as a file that any player opens."""

from __future__ import annotations

import hashlib
from pathlib import Path

from kinema.errors import DataError
from kinema.mining.review.candidate import Candidate


def playable(candidate: Candidate, root: Path, folder: Path) -> Path:
    """Return a file that shows a candidate and nothing else: its own, or its stretch of the video, cut out into `folder`.

    `root`: the folder that its paths start from. Raises `DataError` where there is no such file or it cannot be read.
    """
    from kinema.data.video_paths import located

    name = candidate.path or candidate.video
    path = located(name, root)
    whole = bool(candidate.path) or (candidate.start is None and candidate.end is None)
    if whole and path.is_file():
        return path
    if not name or (whole and not path.is_dir() and not _is_stored(name)):
        raise DataError(f"{path}: no such file; it may have been moved")
    target = folder / f"{hashlib.sha256(candidate.uid.encode()).hexdigest()[:16]}.mp4"
    if not target.exists():
        _cut(path, target, candidate.start or 0.0, candidate.end)
    return target


def _cut(path: Path, target: Path, start: float, end: float | None) -> None:
    from kinema.video import VideoWriter, open_source

    with open_source(path) as source, VideoWriter(target, min(source.fps or 25.0, 120.0)) as out:
        for frame in source.frames(start=start, end=end):
            out.write(frame)
        if not out.frame_count:
            raise DataError(f"{path}: no frame from {start:g} s on; the stretch lies behind its end")


def _is_stored(name: str) -> bool:
    from kinema.video.remote import is_address

    return is_address(name)
