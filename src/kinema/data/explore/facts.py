"""What a look at each clip shows: size, rate, codec, length, and a handful of small grey pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinema.data.manifest import Segment
from kinema.data.segments import each_video, fault_of, open_segment, reason_of, without_path
from kinema.errors import KinemaError
from kinema.video import TIME_TOLERANCE, FileSource, FolderSource, Source
from kinema.video.decoder import Decoder
from kinema.video.store_errors import StoreError

LOOKS = 5
"""Moments of a clip that are looked at: the first, the last, and those that divide the time between."""

LONG = 60.0
"""Seconds above which a clip is looked at by seeking, its frames not counted one by one."""

_SIDE = 32  # pixels of a look: enough to see dark, still and equal, and cheap to make
_STEP = 0.5  # seconds between looks where nobody knows how long the clip is
_GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601 luma
_CONTAINERS = {"mov": "mp4", "matroska": "mkv", "asf": "wmv"}  # FFmpeg's names as people know them


@dataclass(frozen=True, eq=False)
class ClipFacts:
    """What one segment is made of.

    `frames` and `seconds` are those of the segment, `frames` None where they were not counted. `size` is
    (width, height) in pixels. `times` (n,) are the seconds of the frames looked at, `looks` `(n, 32, 32)`
    their grey values. `fault` says why nothing can be seen (`fault_kind`: missing, empty, no video stream,
    unreadable, no frames), `problems` what is wrong though frames were seen.
    """

    segment: Segment
    seconds: float = 0.0
    frames: int | None = None
    size: tuple[int, int] | None = None
    fps: float | None = None
    codec: str = ""
    container: str = ""
    times: tuple[float, ...] = ()
    looks: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, _SIDE, _SIDE), np.uint8))
    problems: tuple[str, ...] = ()
    fault_kind: str = ""
    fault: str = ""

    @property
    def seen(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.times)

    @property
    def format(self) -> str:
        """Codec and container, as "mpeg4 in avi"."""
        return f"{self.codec} in {self.container}" if self.codec else ""

    @property
    def brightness(self) -> float:
        """The mean grey level of the brightest look, 0 to 255."""
        return float(self.looks.mean(axis=(1, 2)).max()) if self.seen else 0.0

    @property
    def change(self) -> float:
        """The largest grey difference that any place of the picture shows between two looks, 0 to 255."""
        if not self.seen:
            return 0.0
        return float(np.ptp(self.looks.astype(np.int16), axis=0).max())


def look(
    segments: Iterable[Segment],
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[ClipFacts]:
    """Return the facts of each segment, in order; what cannot be read has a `fault`, nothing is raised.

    `workers` videos are read at a time (default: one a usable core), `progress(done, total)` counts clips.
    """
    return each_video(_look_at, list(segments), workers, progress)


def _look_at(segments: Sequence[Segment]) -> list[ClipFacts]:
    found = []
    try:
        with open_segment(segments[0]) as source:
            codec, container = _kind(source)
            for segment in segments:
                try:
                    found.append(_facts(segment, source, codec, container))
                except StoreError:
                    raise
                except Exception as error:  # one bad range must not hide the others
                    found.append(ClipFacts(segment, fault_kind="unreadable", fault=reason_of(segment, error)))
    except StoreError:  # no fault of the video
        raise
    except Exception as error:  # one bad file must not hide the others, whatever is wrong with it
        kind, reason = fault_of(segments[0], error)
        done = len(found)
        found += [ClipFacts(segment, fault_kind=kind, fault=reason) for segment in segments[done:]]
    return found


def _facts(segment: Segment, source: Source, codec: str, container: str) -> ClipFacts:
    start = segment.start or 0.0
    known = [time for time in (segment.end, source.duration) if time is not None]
    length = min(known) - start if known else None
    period = 1 / source.fps if source.fps else 0.0
    if length is not None and length > LONG:
        frames, pictures = None, _far_apart(source, start, length, period, segment.end)
    else:
        frames, pictures = _all(source, start, length, segment.end)
    problems = [without_path(problem, segment) for problem in source.problems]
    if not pictures:
        return ClipFacts(
            segment, 0.0, 0, source.size, source.fps, codec, container,
            fault_kind="no frames", fault=_no_frames(segment, source, problems),
        )  # fmt: skip
    times = tuple(time for time, _ in pictures)
    stop = times[-1] + period
    if segment.end is not None and segment.end - stop > max(2 * period, 0.1):
        problems.append(f"ends at {segment.end:g} s, but the video at {stop:.2f} s")
    looks = np.stack([look for _, look in pictures])
    return ClipFacts(
        segment, stop - times[0], frames, source.size, source.fps, codec, container, times, looks, tuple(problems)
    )  # fmt: skip


def _all(
    source: Source, start: float, length: float | None, end: float | None
) -> tuple[int, list[tuple[float, NDArray[np.uint8]]]]:
    """Read every frame; convert only the first, the last and those on the way that are wanted."""
    step = _STEP if not length else length / (LOOKS - 1)
    seen, pictures, last = 0, list[tuple[float, NDArray[np.uint8]]](), None
    with closing(source.pictures(start, end)) as every:
        for picture in every:
            if end is not None and picture.time >= end - TIME_TOLERANCE:
                break
            if picture.time < start - TIME_TOLERANCE:
                continue
            if picture.time >= start + step * len(pictures) - TIME_TOLERANCE:
                pictures.append((picture.time, _grey(picture.image((_SIDE, _SIDE)))))
            seen, last = seen + 1, picture
    if last is not None and pictures[-1][0] != last.time:
        pictures.append((last.time, _grey(last.image((_SIDE, _SIDE)))))
    if len(pictures) > LOOKS:  # the length was unknown, or wrong
        pictures = [pictures[round(k * (len(pictures) - 1) / (LOOKS - 1))] for k in range(LOOKS)]
    return seen, pictures


def _far_apart(
    source: Source, start: float, length: float, period: float, end: float | None
) -> list[tuple[float, NDArray[np.uint8]]]:
    pictures = []
    for k in range(LOOKS - 1):
        moment = start + length * k / (LOOKS - 1)
        frame = next(iter(source.frames(start=moment, end=end, size=(_SIDE, _SIDE))), None)
        if frame is not None:
            pictures.append((frame.time, _grey(frame.image)))
    last = None
    for frame in source.frames(start=start + length - max(1.0, 3 * period), end=end, size=(_SIDE, _SIDE)):
        last = frame
    if last is not None:
        pictures.append((last.time, _grey(last.image)))
    return pictures


def _grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.rint(image @ _GREY).astype(np.uint8)


def _kind(source: Source) -> tuple[str, str]:
    if isinstance(source, FolderSource):
        suffixes = sorted({Path(name).suffix.lower().lstrip(".") for name in source.names[:100]})
        return "/".join("jpeg" if suffix == "jpg" else suffix for suffix in suffixes), "folder"
    if isinstance(source, FileSource):
        with suppress(KinemaError), closing(Decoder(source.name, 1, lambda _: None)) as decoder:
            container = decoder.container_name.split(",")[0]
            return decoder.stream.codec_context.name, _CONTAINERS.get(container, container)
    return "", ""


def _no_frames(segment: Segment, source: Source, problems: list[str]) -> str:
    if segment.start is not None and source.duration is not None and segment.start >= source.duration:
        return f"starts at {segment.start:g} s, but the video ends at {source.duration:.2f} s"
    return "; ".join(["the video has no frame in this range", *problems])
