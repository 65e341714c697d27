"""Pictures and playable copies of a run's clips, made once and kept in the site's folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from kinema.data import Segment
from kinema.data.clips import rate_of as stated_rate
from kinema.data.segments import open_segment
from kinema.files import atomic_path
from kinema.video import VideoWriter
from kinema.video.filmstrip import filmstrip
from kinema.video.jpeg import jpeg
from kinema.web.base.files import PLAYED, video_kind
from kinema.web.folder import site, trim
from kinema.web.runs.decoding import decoded

_LONGEST = 60.0  # seconds of a copy
_HEIGHT = 360
_FOLDER = "runs-clips"
_MOST = 2 * 10**9  # bytes of all of them; those that nobody looks at go, and are made again
_TRIMMED_EVERY = 600.0  # seconds
_trimmed = float("-inf")


def played_kind(path: Path) -> str | None:
    """Return the media type of a file that browsers may play as it is; None for others and for folders of frames."""
    return video_kind(path) if path.suffix.lower() in PLAYED and path.is_file() else None


def rate_of(segment: Segment) -> float | None:
    """Return the frames a second of a segment's video, None where they are not known."""
    found: float | None = decoded(_rate, segment)
    return found


def filmstrip_of(key: str, segment: Segment) -> Path | None:
    """Return a JPEG of six pictures of a segment side by side, None where its video gives none."""
    return _made(_strip, segment, _place(key, segment, ".jpg"))


def playable_copy(key: str, segment: Segment) -> Path | None:
    """Return an mp4 of a segment, at most a minute of it and 360 lines high, None where its video cannot be read."""
    return _made(_copy, segment, _place(key, segment, ".mp4"))


def _made(make: Callable[[Segment, Path], bool], segment: Segment, path: Path | None) -> Path | None:
    """Return the file, made where it is not there yet; None where it cannot be made."""
    global _trimmed
    if path is None or path.exists():
        return path
    if time.monotonic() - _trimmed > _TRIMMED_EVERY:
        _trimmed = time.monotonic()
        trim(site().place(_FOLDER), _MOST)
    return path if decoded(make, segment, path) else None


def _rate(segment: Segment) -> float | None:
    with open_segment(segment) as source:
        return source.fps


def _strip(segment: Segment, path: Path) -> bool:
    row = filmstrip(segment.video, segment.start, segment.end, frames=6, height=90, fps=stated_rate(segment))
    with atomic_path(path) as temporary:
        temporary.write_bytes(jpeg(row))
    return True


def _copy(segment: Segment, path: Path) -> bool:
    start = segment.start or 0.0
    end = min(start + _LONGEST, segment.end if segment.end is not None else start + _LONGEST)
    with open_segment(segment) as source:
        width, height = source.size
        scale = min(1.0, _HEIGHT / max(1, height))
        size = (max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2))
        frames = iter(source.frames(start=start, end=end, size=size))
        first = next(frames, None)
        if first is None:
            return False
        with VideoWriter(path, source.fps or 25, size, threads=1) as out:
            out.write(first)
            for frame in frames:
                out.write(frame)
    return True


def _place(key: str, segment: Segment, suffix: str) -> Path | None:
    """Return where a file made of a segment is kept; None where its video is no longer there."""
    try:
        stamp = segment.video.stat().st_mtime_ns
    except OSError:
        return None
    return site().place(_FOLDER, key) / f"{segment.row}-{stamp:x}{suffix}"
