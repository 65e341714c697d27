"""Stretches of video made so small that thousands can be compared: eight tiny grey pictures a second, and 64-bit hashes."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinema.data.clips import rate_of
from kinema.data.manifest import Segment
from kinema.data.segments import each_video, open_segment, reason_of
from kinema.data.wording import natural_key
from kinema.errors import KinemaError
from kinema.files import atomic_path, cache_folder
from kinema.video import TIME_TOLERANCE
from kinema.video.remote import video_hash
from kinema.video.store_errors import StoreError

RATE = 8.0
"""Pictures a second."""
SIDE = 16
"""Width and height of a picture in pixels."""
STEP = 2
"""Pictures between the two whose difference shows motion: a quarter of a second."""
STILL = 0.6
"""Grey levels (root mean square) of a change below which nothing moves; rounding to whole levels alone gives 0.41."""

_VERSION = 1  # raised when the pictures of the same video change
_BLANK = 2.0  # grey levels of contrast below which a picture shows nothing
_APART = 5.0  # seconds between two segments of a video from which seeking beats decoding what lies between
_PICTURE_BITS, _MOTION_BITS = 24, 40
_GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
_FREQUENCIES = sorted(
    ((y, x) for y in range(9) for x in range(9) if y + x), key=lambda f: (sum(f), max(f), f)
)[:_MOTION_BITS]
_BASIS = np.cos(np.pi * np.arange(9)[:, None] * (np.arange(SIDE) + 0.5) / SIDE).astype(np.float32)


@dataclass(frozen=True)
class Fingerprint:
    """`times` `(T,)` in seconds from the start of the video, and `pictures` `(T, 16, 16)`, grey uint8."""

    times: NDArray[np.float64]
    pictures: NDArray[np.uint8]

    def __len__(self) -> int:
        """Return the number of moments that are compared: at most a quarter of a second less than it lasts."""
        return max(len(self.times) - STEP, 1)

    def changes(self) -> NDArray[np.float32]:
        """Return `(n, 16, 16)`: what differs a quarter of a second later, without the change of overall brightness."""
        found = np.zeros((len(self), SIDE, SIDE), dtype=np.float32)
        if len(self.times) > STEP:
            found += self.pictures[STEP:].astype(np.float32) - self.pictures[:-STEP]
        return found - found.mean(axis=(1, 2), keepdims=True)

    def views(self) -> NDArray[np.float32]:
        """Return `(n, 16, 16)`: the picture in the middle of each change, without its mean."""
        found = self.pictures[np.minimum(np.arange(len(self)) + STEP // 2, len(self.times) - 1)]
        return found - found.mean(axis=(1, 2), keepdims=True, dtype=np.float32)


def moment_hashes(
    fingerprint: Fingerprint,
) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.bool_]]:
    """Return the hash of each moment `(n,)`, that of its mirror image, and whether there is anything to see.

    24 bits say how the picture's lowest cosine frequencies lie to their median (the DCT hash of Zauner,
    "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010), 40 bits the signs of those of
    the change: many clips share a static background, but not what moves before it. Where nothing moves, these
    are 0. Mirroring turns the sign of odd horizontal frequencies.
    """
    rows, columns = (np.array(axis) for axis in zip(*_FREQUENCIES, strict=True))
    changes, views = fingerprint.changes(), fingerprint.views()
    motion = (_BASIS @ changes @ _BASIS.T)[:, rows, columns]
    picture = (_BASIS @ views @ _BASIS.T)[:, rows, columns][:, :_PICTURE_BITS]
    moves = (np.sqrt((changes**2).mean(axis=(1, 2))) >= STILL)[:, None]
    found = []
    for sign in (1, np.where(columns % 2, -1, 1).astype(np.float32)):
        seen = picture * (sign if isinstance(sign, int) else sign[:_PICTURE_BITS])
        bits = np.hstack([seen > np.median(seen, axis=1, keepdims=True), (motion * sign > 0) & moves])
        found.append(np.ascontiguousarray(np.packbits(bits, axis=1)).view(np.uint64).ravel())
    return found[0], found[1], views.std(axis=(1, 2)) >= _BLANK


def fingerprints(
    segments: Sequence[Segment],
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[Fingerprint | None], list[str]]:
    """Return the fingerprint of each segment, None where nothing can be decoded, and a line for each of those.

    Results are kept in the cache folder by the content of the video. Each video is decoded once, `workers` at
    a time (default: one a core); `progress(done, total)` counts segments.
    """
    results = each_video(_of_video, segments, workers, progress)
    problems = dict.fromkeys(problem for _, problem in results if problem)
    return [found for found, _ in results], sorted(problems, key=natural_key)


def _of_video(segments: Sequence[Segment]) -> list[tuple[Fingerprint | None, str]]:
    """Return the fingerprint of each segment of one video, and what the video lacks, which all are told."""
    video, fps, fault = segments[0].video, rate_of(segments[0]), ""
    found: list[Fingerprint | None] = [None] * len(segments)
    try:
        content = video_hash(video)
        paths = [_path(content, segment, fps) for segment in segments]
        found = [_load(path) for path in paths]
        missing = [i for i, one in enumerate(found) if one is None]
        for run in _runs(segments, missing):
            decoded = _decode([segments[i] for i in run])
            for i, one in zip(run, decoded, strict=True):
                if len(one.times):
                    found[i] = one
                    _store(paths[i], one)
        empty = [segments[i] for i in missing if found[i] is None]
        if empty:
            fault = f"{video}: no frame between {empty[0].start or 0:g} s and the end of the segment"
    except StoreError:  # says nothing of the video
        raise
    except Exception as error:  # one file must not stop the search, whatever is wrong with it
        fault = f"{video}: {reason_of(segments[0], error)}"
    return [(one, fault) for one in found]


def _runs(segments: Sequence[Segment], rows: list[int]) -> list[list[int]]:
    """Divide segments of one video into those that are decoded in one pass."""
    runs: list[list[int]] = []
    reached = -np.inf
    for i in sorted(rows, key=lambda i: segments[i].start or 0.0):
        start, end = segments[i].start or 0.0, segments[i].end
        if runs and start <= reached + _APART:
            runs[-1].append(i)
        else:
            runs.append([i])
        reached = max(reached, np.inf if end is None else end)
    return runs


def _decode(segments: Sequence[Segment]) -> list[Fingerprint]:
    start = segments[0].start or 0.0
    ends = [segment.end for segment in segments if segment.end is not None]
    end = max(ends) if len(ends) == len(segments) else None
    times, pictures = [], []
    with open_segment(segments[0]) as source:
        for frame in source.frames(start=start, end=end, fps=RATE, size=(2 * SIDE, 2 * SIDE)):
            grey = frame.image @ _GREY
            times.append(frame.time)
            pictures.append(grey.reshape(SIDE, 2, SIDE, 2).mean(axis=(1, 3)).round().astype(np.uint8))
    clock = np.array(times)
    stack = np.stack(pictures) if pictures else np.zeros((0, SIDE, SIDE), dtype=np.uint8)
    found = []
    for segment in segments:
        inside = clock >= (segment.start or 0.0) - TIME_TOLERANCE
        if segment.end is not None:
            inside &= clock < segment.end - TIME_TOLERANCE
        found.append(Fingerprint(clock[inside], stack[inside]))
    return found


def _path(content: str, segment: Segment, fps: float | None) -> Path:
    parts = [_VERSION, RATE, SIDE, content, segment.start, segment.end, fps]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return cache_folder() / "fingerprints" / key[:2] / f"{key}.npz"


def _load(path: Path) -> Fingerprint | None:
    try:
        with np.load(path) as kept:
            return Fingerprint(kept["times"], kept["pictures"])
    except (OSError, ValueError, KeyError, EOFError):  # absent, or damaged and made again
        return None
    except Exception as error:  # zipfile's own errors
        if type(error).__name__ != "BadZipFile":
            raise
        return None


def _store(path: Path, one: Fingerprint) -> None:
    try:
        with atomic_path(path) as temporary, temporary.open("wb") as handle:
            np.savez(handle, times=one.times, pictures=one.pictures)
    except KinemaError as error:  # kept or not, the videos can be compared
        reason = str(error).rsplit(": ", 1)[-1]
        warnings.warn(f"{cache_folder()}: fingerprints of videos cannot be kept here: {reason}", stacklevel=2)
