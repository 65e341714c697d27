"""Clips of pixels: where in a segment a clip starts, and its pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kinema.data.clipspec import ClipSpec
from kinema.data.manifest import Segment
from kinema.errors import DataError
from kinema.video import Source, open_source


def draw_clip(
    segment: Segment, spec: ClipSpec, rng: np.random.Generator | None = None, *, threads: int | None = 1
) -> NDArray[np.uint8]:
    """Return a clip of `segment` as `read_clip` does, from where `draw_start` says; the video is opened once.

    `threads` decode it: one, where several clips are read at a time.
    """
    with open_source(segment.video, fps=rate_of(segment), threads=threads) as source:
        return _clip(source, segment, spec, draw_start(segment, spec, rng, length=source.duration))


def read_clip(segment: Segment, spec: ClipSpec, start: float) -> NDArray[np.uint8]:
    """Return the pictures `(T, H, W, 3)` uint8 of the clip of `segment` that starts at `start` seconds.

    Where the segment ends early the first picture is repeated before the others, as at the start of a stream.

    Raises `DataError` when there is no frame at all.
    """
    with open_source(segment.video, fps=rate_of(segment)) as source:
        return _clip(source, segment, spec, start)


def draw_start(
    segment: Segment,
    spec: ClipSpec,
    rng: np.random.Generator | None = None,
    *,
    length: float | None = None,
) -> float:
    """Return the second at which a clip of `segment` starts: anywhere it fits with `rng`, else in the middle.

    `length` is the duration of the video, which ends a segment that does not say. A segment shorter than the clip is
    taken from its start, as is one whose length nobody knows.
    """
    start = segment.start or 0.0
    end = length if segment.end is None else segment.end
    room = 0.0 if end is None else max(0.0, end - start - spec.span)
    return start + room * (0.5 if rng is None else float(rng.random()))


def rate_of(segment: Segment) -> float | None:
    """Return the frames a second of a frame folder, None where the table names none; a video file knows its own."""
    rate = segment.extra.get("fps")
    stated = isinstance(rate, (int, float)) and rate > 0 and segment.video.is_dir()
    return float(rate) if stated and rate is not None else None


def _clip(source: Source, segment: Segment, spec: ClipSpec, start: float) -> NDArray[np.uint8]:
    pictures: list[NDArray[np.uint8]] = []
    for picture in spec.pictures(source, start, segment.end):
        pictures.append(picture.image)
        if len(pictures) == spec.frames:
            break
    if not pictures:
        raise DataError(f"{segment.video}: no frame at {start:.2f} s; run kinema data check and leave it out")
    return np.stack([pictures[0]] * (spec.frames - len(pictures)) + pictures)
