"""First, middle and last frame of a clip as one small JPEG, and the clip itself as a small H.264 video."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinema.data.explore.facts import ClipFacts
from kinema.data.manifest import Segment
from kinema.data.segments import each_video, open_segment, reason_of
from kinema.video import TIME_TOLERANCE, Frame, Source, TimeSampler, VideoWriter, resize
from kinema.video.jpeg import jpeg

PREVIEW_SECONDS = 30.0
"""Seconds of a clip that its preview shows; a longer clip's stops there."""

_STRIP_HEIGHT = 96  # pixels, as the film strips of the report
_PREVIEW_HEIGHT = 240
_PREVIEW_FPS = 10.0
# x264's CRF. At 240 lines and 10 fps: 21 kB a clip of UT-Interaction, 14 kB a second of UCF101.
_PREVIEW_QUALITY = 30
_WIDEST = 8 / 3  # a wider picture is made narrower
_JPEG_QUALITY = 76
_GAP = 2


@dataclass(frozen=True)
class Pictures:
    """What the page shows of a clip: `strip` (JPEG bytes, `strip_size` is its width and height in pixels),
    `preview` (an mp4 file, `preview_seconds` long), `problem` where something could not be made.
    """

    strip: bytes = b""
    strip_size: tuple[int, int] = (0, 0)
    preview: Path | None = None
    preview_seconds: float = 0.0
    problem: str = ""


def take_pictures(
    clips: Sequence[ClipFacts],
    folder: Path,
    *,
    previews: bool = True,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Pictures]:
    """Return the pictures of each clip, in order; previews are written into `folder`, named by row.

    What fails leaves a `problem`; nothing is raised.
    """
    return each_video(partial(_of_video, folder=folder, previews=previews), clips, workers, progress)


def preview_name(segment: Segment) -> str:
    """Return the file name of a clip's preview."""
    return f"clip-{segment.row:06d}.mp4"


def _of_video(clips: Sequence[ClipFacts], folder: Path, previews: bool) -> list[Pictures]:
    if not any(clip.seen for clip in clips):
        return [Pictures() for _ in clips]
    found = []
    try:
        with open_segment(clips[0].segment) as source:
            for clip in clips:
                found.append(
                    _of_clip(clip, source, folder if previews else None) if clip.seen else Pictures()
                )
    except Exception as error:  # the file was there a moment ago; whatever happened, the others are shown
        problem = reason_of(clips[0].segment, error)
        found += [Pictures(problem=problem) for _ in clips[len(found) :]]
    return found


def _of_clip(clip: ClipFacts, source: Source, folder: Path | None) -> Pictures:
    start, last = clip.times[0], clip.times[-1]
    moments = sorted({start, clip.times[len(clip.times) // 2], last})
    strip = dict.fromkeys(moments)
    problem, path, shown = "", None, 0.0
    stop = min(last, start + PREVIEW_SECONDS)
    if folder is not None:
        path = folder / preview_name(clip.segment)
        try:
            shown = _film(source, clip, path, stop, strip)
        except Exception as error:  # pictures can still be shown where a preview cannot be made
            path, problem = None, " ".join(str(error).split()).replace(f"{path}: ", "")
    for moment in [moment for moment in moments if strip[moment] is None]:
        found = next(iter(source.frames(start=moment, size=_size(source, _STRIP_HEIGHT))), None)
        strip[moment] = None if found is None else found.image
    pictures = [picture for picture in strip.values() if picture is not None]
    if not pictures:
        return Pictures(b"", (0, 0), path, shown, problem)
    row = _row(pictures)
    return Pictures(jpeg(row, _JPEG_QUALITY), (row.shape[1], row.shape[0]), path, shown, problem)


def _film(
    source: Source,
    clip: ClipFacts,
    path: Path,
    stop: float,
    strip: dict[float, NDArray[np.uint8] | None],
) -> float:
    """Write the preview, fill in the pictures of the strip on the way, and return the preview's seconds."""
    start = clip.times[0]
    size, small = _size(source, _PREVIEW_HEIGHT), _size(source, _STRIP_HEIGHT)
    sampler = TimeSampler(start, _PREVIEW_FPS)
    written = 0.0
    writer = VideoWriter(path, _PREVIEW_FPS, size, quality=_PREVIEW_QUALITY, threads=1)
    with closing(source.pictures(start, None)) as pictures, writer as out:
        for picture in pictures:
            time = picture.time
            if time < start - TIME_TOLERANCE:
                continue
            if time > stop + TIME_TOLERANCE:
                break
            due = sampler.take(time) > 0
            if not due and time not in strip:
                continue
            image = picture.image(size)
            if time in strip:
                strip[time] = resize(image, small)
            if due:
                out.write(Frame(image, time, picture.index))
                written = time - start + 1 / _PREVIEW_FPS
    return written


def _size(source: Source, height: int) -> tuple[int, int]:
    width, own = source.size
    height = min(height, own)
    return max(2, round(height * min(width / own, _WIDEST))), max(2, height)


def _row(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    gap = np.full((pictures[0].shape[0], _GAP, 3), 128, np.uint8)
    return np.concatenate([part for picture in pictures for part in (picture, gap)][:-1], axis=1)
