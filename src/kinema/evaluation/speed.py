"""How fast a recognizer follows video: from the compressed file to an answer for every sampled picture."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch

from kinema.data import Segment
from kinema.data.clips import rate_of
from kinema.models import Job, Recognizer, torch_device

_SECONDS = 5.0  # of measuring, after which the rate no longer changes by much


def measure_speed(
    recognizer: Recognizer, segments: Sequence[Segment], *, seconds: float = _SECONDS
) -> dict[str, Any] | None:
    """Decode and classify the segments for up to so many seconds; None where none of them can be read.

    Return `frames_per_second` (frames of video, not only those that the clip samples), the `frames` and `seconds` that it comes
    from, and the `device` and `threads` at work. Nothing is taken from the feature cache. The first segment is followed once
    before the clock starts, so that what is built for the first picture does not count.

    >>> measure_speed(recognizer, manifest.segments())  # doctest: +SKIP
    {'frames_per_second': 412.0, 'frames': 2100, 'seconds': 5.1, 'device': 'cpu', 'threads': 2}
    """
    jobs = [Job(s.video, s.start, s.end, rate_of(s)) for s in segments]
    for chunk in recognizer.timeline(jobs[:1]):
        if chunk.last:
            break
    frames, began, taken = 0, time.perf_counter(), 0.0
    chunks = recognizer.timeline(jobs)
    try:
        for chunk in chunks:
            frames += len(chunk.frame_times)
            taken = time.perf_counter() - began
            if taken > seconds:
                break
    finally:
        chunks.close()  # type: ignore[attr-defined]  # stops the decoding threads
    if not frames:
        return None
    return {
        "frames_per_second": round(frames / taken, 1),
        "frames": frames,
        "seconds": round(taken, 2),
        "device": torch_device(recognizer.device).type,
        "threads": torch.get_num_threads(),
    }
