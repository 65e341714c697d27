"""Small pictures of clips, and copies that browsers play: made by a job, kept by what the clip shows.

A clip is known by the size of its file, its first and last bytes and the stretch that is meant: the same clip in two
manifests has one picture, and a changed one gets another.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from shutil import copyfile
from typing import Any

from kinema.data import Segment
from kinema.data.clips import rate_of
from kinema.data.explore.facts import ClipFacts, look
from kinema.data.explore.pictures import Pictures, preview_name, take_pictures
from kinema.files import atomic_path, write_json
from kinema.web.base.files import PLAYED
from kinema.web.datasets.catalogue import Loaded, shown_video
from kinema.web.folder import site, trim

_STYLE = "1"  # of the pictures; another one makes them anew
_EDGE = 65536  # bytes at both ends of a file that tell it apart
_BATCH = 8  # clips after which what was made is kept
_MOST = 2 * 10**9  # bytes of all pictures and copies; those that nobody looks at go, and are made again
_CODECS = frozenset({"h264", "vp8", "vp9", "av1", "theora"})  # that browsers play


@dataclass(frozen=True)
class Picture:
    """What is kept of a clip. `strip`: first, middle and last frame; `preview`: a copy that browsers play, from its start.

    `facts`: seconds, frames, width, height, fps, format, fault, plays (whether browsers play the file itself).
    """

    strip: Path | None
    preview: Path | None
    facts: dict[str, Any]


def picture(loaded: Loaded, row: int) -> Picture | None:
    """Return what is kept of a clip; None where nothing was made yet, or nothing can be."""
    found = _places(loaded, row)
    if found is None:
        return None
    strip, preview, facts = found
    try:
        known: dict[str, Any] = json.loads(facts.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return Picture(strip if strip.exists() else None, preview if preview.exists() else None, known)


def missing(loaded: Loaded, rows: Sequence[int]) -> list[int]:
    """Return those of the rows whose pictures can be made and are not there."""
    found = []
    for row in rows:
        places = _places(loaded, row)
        if places is not None and not places[2].exists():
            found.append(row)
    return found


def make_pictures(
    loaded: Loaded, rows: Sequence[int], progress: Callable[[int, int], None], workers: int | None = None
) -> int:
    """Make what is missing of these rows, and return how many were made. What is made is kept, whenever this ends."""
    trim(site().place("thumbnails"), _MOST)
    wanted = missing(loaded, rows)
    done = 0
    for start in range(0, len(wanted), _BATCH):
        progress(done, len(wanted))
        batch = wanted[start : start + _BATCH]
        clips = look([loaded.segments[row] for row in batch], workers=workers)
        with tempfile.TemporaryDirectory(prefix="pictures-", dir=site().place("tmp")) as folder:
            for previews in (False, True):
                chosen = [clip for clip in clips if (clip.seen and not plays(clip)) == previews]
                pictures = take_pictures(chosen, Path(folder), previews=previews, workers=workers)
                for clip, one in zip(chosen, pictures, strict=True):
                    _keep(loaded, clip, one, Path(folder))
        done += len(batch)
    progress(done, len(wanted))
    return done


def plays(clip: ClipFacts) -> bool:
    """Return whether browsers play the file of a clip as it is."""
    return clip.codec in _CODECS and clip.segment.video.suffix.lower() in PLAYED


def _keep(loaded: Loaded, clip: ClipFacts, made: Pictures, folder: Path) -> None:
    places = _places(loaded, clip.segment.row)
    if places is None:
        return
    strip, preview, facts = places
    if made.strip:
        with atomic_path(strip) as temporary:
            temporary.write_bytes(made.strip)
    source = folder / preview_name(clip.segment)
    if made.preview is not None and source.exists():
        with atomic_path(preview) as temporary:
            copyfile(source, temporary)
    width, height = clip.size or (None, None)
    # Last: what it describes is there.
    write_json(
        facts,
        {
            "seconds": round(clip.seconds, 3), "frames": clip.frames, "width": width, "height": height,
            "fps": clip.fps, "format": clip.format, "fault": clip.fault or made.problem,
            "plays": plays(clip), "preview_seconds": round(made.preview_seconds, 3),
        },
    )  # fmt: skip


def _places(loaded: Loaded, row: int) -> tuple[Path, Path, Path] | None:
    segment = loaded.segments[row]
    path = shown_video(loaded.entry, segment)
    if path is None:
        return None
    try:
        stat = path.stat()
        name = _content(path, stat.st_mtime_ns, stat.st_size, *_stretch(segment))
    except OSError:
        return None
    home = site().place("thumbnails", name[:2])
    return home / f"{name}.jpg", home / f"{name}.mp4", home / f"{name}.json"


def _stretch(segment: Segment) -> tuple[float | None, float | None, float | None]:
    return segment.start, segment.end, rate_of(segment)


@lru_cache(maxsize=20_000)
def _content(
    path: Path, changed: int, size: int, start: float | None, end: float | None, fps: float | None
) -> str:
    digest = hashlib.sha256(f"{_STYLE} {start} {end} {fps}\n".encode())
    if path.is_dir():
        names = sorted(os.fsencode(entry.name) for entry in os.scandir(path))
        digest.update(b"\0".join(names))
        files = [path / os.fsdecode(name) for name in (names[:1] + names[-1:])]
    else:
        digest.update(f"{size}\n".encode())
        files = [path]
    for file in files:
        with file.open("rb") as handle:
            digest.update(handle.read(_EDGE))
            length = file.stat().st_size
            handle.seek(max(_EDGE, length - _EDGE))
            digest.update(handle.read(_EDGE))
    return digest.hexdigest()[:40]
