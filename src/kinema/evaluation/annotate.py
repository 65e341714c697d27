"""A copy of a video with what the recognizer said drawn on every frame."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinema.video import Frame, VideoWriter, open_source
from kinema.video.drawing import draw_prediction

_SHORTEST_SIDE = 240  # pixels
_RATE_WHEN_UNKNOWN = 25.0


def annotate_video(
    video: str | os.PathLike[str],
    out: str | os.PathLike[str],
    classes: Sequence[str],
    times: NDArray[np.float64],
    probabilities: NDArray[np.floating[Any]],
    *,
    start: float | None = None,
    end: float | None = None,
    fps: float | None = None,
    inference_ms: float | None = None,
    progress: Callable[[float], None] | None = None,
) -> list[str]:
    """Decode `video` again and write it as H.264 mp4, every frame with the newest row at or before its time.

    `times` `(n,)` in seconds and `probabilities` `(n, K)` are the timeline; frames before the first row
    show that row. `start`, `end` in seconds bound the copy; `fps` is for a folder of frames. The sound is
    not kept. `progress` is called with the time of each frame. Returns what was found wrong while decoding,
    a line each.

    Raises `DataError` when the video cannot be decoded, `KinemaError` when the file cannot be written.
    """
    row = 0
    # libx264 takes a rate up to its own limits only; a stated rate of thousands is a container's mistake.
    with open_source(video, fps=fps) as source:
        rate = source.fps if source.fps and 0.1 <= source.fps <= 1000 else _RATE_WHEN_UNKNOWN
        # The panel would hide a very small picture: such a video is enlarged by a whole number.
        enlarge = max(1, -(-_SHORTEST_SIDE // min(source.size)))
        size = (source.size[0] * enlarge, source.size[1] * enlarge) if enlarge > 1 else None
        with VideoWriter(out, rate) as writer:
            for frame in source.frames(start=start or 0.0, end=end, size=size):
                while row + 1 < len(times) and times[row + 1] <= frame.time:
                    row += 1
                image = draw_prediction(frame.image, classes, probabilities[row], inference_ms=inference_ms)
                writer.write(Frame(image, frame.time, frame.index))
                if progress:
                    progress(frame.time)
        return list(source.problems)
