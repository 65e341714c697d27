"""Segments at work: their names for people, their videos read side by side, and why one cannot be read."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from typing import Any

from kinema.data.clips import rate_of
from kinema.data.manifest import Segment
from kinema.errors import UsageError
from kinema.video import Source, open_source
from kinema.video.remote import address_of


def named(segment: Segment) -> str:
    """Return a segment as people read it: its name and, where it has some, its times.

    >>> named(Segment(Path("/v/a.mp4"), 1.5, None, "run", None, None, {}, 0, "a.mp4"))
    'a.mp4 [1.5 to end s]'
    """
    if segment.start is None and segment.end is None:
        return segment.name
    end = "end" if segment.end is None else f"{segment.end:g}"
    return f"{segment.name} [{segment.start or 0:g} to {end} s]"


def open_segment(segment: Segment) -> Source:
    """Open the video of a segment, decoded by one thread: videos are read side by side."""
    return open_source(segment.video, fps=rate_of(segment), threads=1)


def each_video(
    work: Callable[[Sequence[Any]], list[Any]],
    items: Sequence[Any],
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Any]:
    """Return `work` of the items of each video, in the order of the items; `workers` videos are read at a time.

    An item is a `Segment` or has one as `segment`; `work` gives as many results as it got items, all of one video at
    one rate. The default is one video a usable core; `progress(done, total)` counts items.

    Raises `UsageError` for less than one worker, and what `work` raises.
    """
    if workers is not None and workers < 1:
        raise UsageError(f"workers must be at least 1, not {workers}")
    by_video: dict[tuple[Path, float | None], list[int]] = {}
    for i, item in enumerate(items):
        segment = getattr(item, "segment", item)
        by_video.setdefault((segment.video, rate_of(segment)), []).append(i)
    results: list[Any] = [None] * len(items)
    executor = ThreadPoolExecutor(workers or usable_cores())
    done = 0
    try:
        jobs = {executor.submit(work, [items[i] for i in rows]): rows for rows in by_video.values()}
        for job in as_completed(jobs):
            for i, result in zip(jobs[job], job.result(), strict=True):
                results[i] = result
            done += len(jobs[job])
            if progress:
                progress(done, len(items))
    finally:
        executor.shutdown(cancel_futures=True)
    return results


def usable_cores() -> int:
    """Return how many cores this process may use: its share, where torchrun started several on this machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def fault_of(segment: Segment, error: Exception) -> tuple[str, str]:
    """Return what is wrong with the video of a segment that could not be read, and why.

    The first is "missing", "empty", "no video stream" or "unreadable".
    """
    video, reason = segment.video, reason_of(segment, error)
    if address := address_of(video):
        reason = reason.removeprefix(f"{address}: ")
        return ("missing" if "no such object" in reason else "unreadable"), reason
    with suppress(OSError):  # the file system itself may fail
        if not video.exists():
            return "missing", "no such file; check the path in the manifest"
        if video.is_file() and not video.stat().st_size:
            return "empty", "the file has 0 bytes; fetch or copy it again"
    if "no video stream" in reason:
        return "no video stream", "the file holds audio only" if "audio only" in reason else reason
    return "unreadable", reason


def reason_of(segment: Segment, error: Exception) -> str:
    """Return an error in one line, without the path of the video."""
    return without_path(" ".join(str(error).split()), segment) or type(error).__name__


def without_path(text: str, segment: Segment) -> str:
    """Return what is said of a video without its path."""
    return text.replace(f"{segment.video}: ", "").replace(f"{segment.video}/", "")
