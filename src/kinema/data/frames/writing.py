"""From one stretch of video to its images on disk."""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from kinema.data.frames.folder import Record
from kinema.data.frames.plan import Stretch
from kinema.data.frames.settings import FrameSettings
from kinema.errors import DataError, KinemaError
from kinema.video import TIME_TOLERANCE, Source
from kinema.video.playback import DecodedPicture
from kinema.video.remote import address_of, identity

_RATE_WHEN_UNKNOWN = 25.0
_BACKLOG = 8  # images that wait to be encoded, for each video
_STEADY = 0.02  # share by which the rate of the frames may differ from the stated one


def write_stretch(
    stretch: Stretch,
    source: Source,
    settings: FrameSettings,
    target: Path,
    *,
    encoders: Executor | None = None,
    tick: Callable[[float], None] | None = None,
) -> Record:
    """Write the images of a stretch into the folder `target` and return what they are.

    `encoders` compress and write while the next frames are decoded; without them this thread does. `tick(time)` is
    called for each frame that is decoded, and may raise to stop. A frame that is damaged or cannot be read is left
    out and named in `problems`.

    Raises `DataError` when the stretch has no frame that can be read, `KinemaError` when an image cannot be written.
    """
    known = set(source.problems)
    frames = expected_frames(source, stretch.start, stretch.end)
    made = _write(stretch, source, settings, target, encoders, tick, frames)
    if settings.per_video is not None and made.frames != frames:
        # The container was wrong about the number of frames, and where the parts are depends on it.
        for image in target.iterdir():
            image.unlink()
        made = _write(stretch, source, settings, target, encoders, tick, made.frames)
    if not made.times:
        if made.problems:
            raise DataError(f"{stretch.video}: {made.problems[0][1]}")
        raise DataError(f"{stretch.video}: the video has no frame in this range")
    for problem in source.problems:
        if problem not in known:
            kind = (
                "truncated"
                if "cut short" in problem
                else "resized"
                if problem.endswith("; resized")
                else "damaged"
            )
            made.problems.append(
                (kind, problem.removeprefix(f"{source.name}: ").removeprefix(f"{source.name}/"))
            )
    return Record(
        stretch.key, "", stretch.folder, stretch.prefix, made.indices, made.times, made.counts,
        _rate(settings, source, made), settings.image_size(source.size), made.bytes, made.repeated, made.problems,
    )  # fmt: skip


def encode(image: NDArray[np.uint8], settings: FrameSettings) -> bytes:
    """Return an RGB uint8 picture `(H, W, 3)` as the bytes of a file."""
    done, data = cv2.imencode(
        f".{settings.format}", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), settings.encoding
    )
    if not done:
        raise DataError(
            f"a picture of {image.shape[1]}x{image.shape[0]} pixels cannot be written as {settings.format}"
        )
    return data.tobytes()


def expected_frames(source: Source, start: float, end: float | None) -> int:
    """Return how many frames the container promises between two times in seconds, 0 when it says nothing."""
    rate = source.fps or _RATE_WHEN_UNKNOWN
    total = source.frame_count or (round(source.duration * rate) if source.duration else 0)
    first = max(0, math.ceil((start - TIME_TOLERANCE) * rate))
    last = total if end is None else math.ceil((end - TIME_TOLERANCE) * rate)
    return max(0, (min(last, total) if total else last) - first)


def content_of(video: Path) -> str:
    """Return what changes when a video file, or a folder of images, is replaced: sizes and dates, or what a store says."""
    if address_of(video):
        with suppress(DataError):
            return identity(video)
        return "missing"
    if not video.is_dir():
        status = video.stat()
        return f"{status.st_size}-{status.st_mtime_ns}"
    digest = hashlib.sha256()
    for item in sorted(video.iterdir()):
        status = item.stat()
        digest.update(f"{item.name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]


@dataclass
class _Made:
    frames: int = 0
    first: float = 0.0
    last: float = 0.0
    bytes: int = 0
    repeated: int = 0
    indices: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)


def _write(
    stretch: Stretch,
    source: Source,
    settings: FrameSettings,
    target: Path,
    encoders: Executor | None,
    tick: Callable[[float], None] | None,
    frames: int,
) -> _Made:
    made = _Made(counts=[0] * len(stretch.segments))
    start, end = stretch.start, stretch.end
    size = None if settings.size is None else settings.image_size(source.size)
    choose = settings.chooser(start, frames)
    out = _Images(stretch, settings, target, encoders)
    part = 0
    try:
        with closing(source.pictures(start, end)) as pictures:
            for picture in pictures:
                time = picture.time
                if end is not None and time >= end - TIME_TOLERANCE:
                    break
                if time < start - TIME_TOLERANCE:
                    continue
                if tick is not None:
                    tick(time)
                made.first = made.first if made.frames else time
                made.last = time
                made.frames += 1
                times = choose(made.frames - 1, time)
                if not times:
                    continue
                if isinstance(picture, DecodedPicture) and picture.frame.is_corrupt:
                    made.problems.append(
                        ("damaged frame", f"frame {picture.index} at {time:.3f} s is damaged")
                    )
                    continue
                try:
                    image = picture.image(size)
                except DataError as error:
                    made.problems.append(("damaged frame", str(error).removeprefix(f"{source.name}/")))
                    continue
                while part + 1 < len(stretch.segments) and time >= _start(stretch, part + 1) - TIME_TOLERANCE:
                    part += 1
                out.write(image, times)
                made.repeated += times - 1
                made.counts[part] += times
                made.indices += [picture.index] * times
                made.times += [round(time, 6)] * times
    finally:
        made.bytes = out.close()
    return made


def _start(stretch: Stretch, part: int) -> float:
    return stretch.segments[part].start or 0.0


class _Images:
    """Numbers, compresses and writes images, in threads of their own where there are any."""

    def __init__(
        self, stretch: Stretch, settings: FrameSettings, target: Path, encoders: Executor | None
    ) -> None:
        self._stretch, self._settings, self._target = stretch, settings, target
        self._encoders = encoders
        self._waiting: deque[Future[int]] = deque()
        self._number = 0
        self._bytes = 0

    def write(self, image: NDArray[np.uint8], times: int) -> None:
        names = []
        for _ in range(times):
            self._number += 1
            names.append(self._stretch.image(self._number, self._settings.format))
        if self._encoders is None:
            self._bytes += self._save(image, names)
            return
        self._waiting.append(self._encoders.submit(self._save, image, names))
        while len(self._waiting) > _BACKLOG:
            self._bytes += self._waiting.popleft().result()

    def close(self) -> int:
        """Wait for what is being written; return the bytes of all images."""
        while self._waiting:
            self._bytes += self._waiting.popleft().result()
        return self._bytes

    def _save(self, image: NDArray[np.uint8], names: list[str]) -> int:
        data = encode(image, self._settings)
        for name in names:
            path = self._target / name
            try:
                path.write_bytes(data)
            except OSError as error:
                mend = "what is finished is kept: mend it and run the same command again"
                raise KinemaError(f"{path}: cannot be written: {error.strerror}; {mend}") from error
        return len(data) * len(names)


def _rate(settings: FrameSettings, source: Source, made: _Made) -> float:
    if settings.fps is not None:
        return float(settings.fps)
    native = source.fps or _RATE_WHEN_UNKNOWN
    if made.frames > 1 and made.last > made.first:
        measured = (made.frames - 1) / (made.last - made.first)
        if abs(measured / native - 1) > _STEADY:
            native = measured
    if settings.per_video is not None:
        return len(made.times) * native / made.frames
    return native / (settings.every or 1)
