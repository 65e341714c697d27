"""A stretch of video as one row of small pictures."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from kinema.errors import DataError
from kinema.video.frame import Source
from kinema.video.opening import open_source

# Beyond this many seconds, one seek a picture is cheaper than decoding all that lies between.
_SEEK_FROM = 30.0
_GAP = 2


def filmstrip(
    video: str | PathLike[str],
    start: float | None = None,
    end: float | None = None,
    frames: int = 8,
    height: int = 96,
    fps: float | None = None,
) -> NDArray[np.uint8]:
    """Return RGB `(height, W, 3)`: `frames` pictures side by side, evenly spread over `[start, end)` seconds.

    Each picture is the frame in the middle of one of `frames` equal parts. A shorter stretch than that many
    frames gives fewer pictures; `fps` is the rate of a folder of pictures. Raises `DataError` when the video gives none.
    """
    with open_source(video, fps=fps) as source:
        width = max(2, round(height * source.size[0] / max(1, source.size[1])))
        pictures = list(_middles(source, start or 0.0, end, frames, (width, height)))
    if not pictures:
        raise DataError(
            f"{video}: no frame between {start or 0:g} s and {'its end' if end is None else f'{end:g} s'}"
        )
    gap = np.full((height, _GAP, 3), 255, dtype=np.uint8)
    row = [part for picture in pictures for part in (picture, gap)][:-1]
    return np.concatenate(row, axis=1)


def _middles(
    source: Source, start: float, end: float | None, count: int, size: tuple[int, int]
) -> Iterator[NDArray[np.uint8]]:
    if end is None:
        end = source.duration
    if end is None or not end > start:
        # Length unknown: look at everything, two pictures a second, and keep an even choice.
        seen = [frame.image for frame in source.frames(start=start, fps=2.0, size=size)]
        for i in sorted({int((k + 0.5) * len(seen) / count) for k in range(count)} if seen else ()):
            yield seen[i]
        return
    step = (end - start) / count
    if end - start > _SEEK_FROM:
        for k in range(count):
            found = next(source.frames(start=start + (k + 0.5) * step, size=size), None)
            if found is not None:
                yield found.image
        return
    last = None
    for frame in islice(source.frames(start=start + step / 2, end=end, fps=1 / step, size=size), count):
        if frame.index != last:
            yield frame.image
        last = frame.index
