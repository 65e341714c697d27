"""What int8 costs: top-1 of both on the valid split, video by video and window by window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinema.data import Segment
from kinema.data.clips import rate_of
from kinema.errors import DataError
from kinema.models import Job, Recognizer, embed_jobs, video_mean
from kinema.models.follow import Follower

# Points of top-1 that int8 may lose.
MOST_LOST = 1.0


@dataclass(frozen=True)
class Accuracy:
    """Right answers of float32 and of int8 among `videos` videos and `windows` full windows, and how many agree."""

    videos: int
    videos_right: tuple[int, int]
    videos_agree: int
    windows: int
    windows_right: tuple[int, int]
    windows_agree: int

    @property
    def lost(self) -> float:
        """Points of top-1 lost by int8: of videos or of windows, whichever is more."""
        return max(
            100 * (self.videos_right[0] - self.videos_right[1]) / self.videos,
            100 * (self.windows_right[0] - self.windows_right[1]) / self.windows,
        )

    def __str__(self) -> str:
        (a, b), (c, d) = self.videos_right, self.windows_right
        return (
            f"valid top-1 by video {b} of {self.videos} right in int8, {a} in float32 "
            f"({100 * b / self.videos:.1f} %, {100 * a / self.videos:.1f} %); by window {d} of {self.windows}, {c} "
            f"({100 * d / self.windows:.1f} %, {100 * c / self.windows:.1f} %); the same answer for "
            f"{100 * self.videos_agree / self.videos:.1f} % of videos and "
            f"{100 * self.windows_agree / self.windows:.1f} % of windows"
        )


def compare(
    recognizer: Recognizer,
    exact: Follower,
    rough: Follower,
    segments: Sequence[Segment],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Accuracy:
    """Follow every segment with both and count; each video is decoded once.

    Raises `DataError` where no segment can be read.
    """
    jobs = [Job(s.video, s.start, s.end, rate_of(s)) for s in segments]
    states: dict[int, list[Any]] = {}
    logits: dict[int, tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]]] = {}
    found: list[tuple[int, NDArray[np.float32], NDArray[np.float32]]] = []
    done = 0
    for chunk in embed_jobs(jobs, recognizer.spec, lambda pictures: pictures):
        if len(chunk.times):
            held = states.setdefault(chunk.job, [None, None])
            rows = logits.setdefault(chunk.job, ([], []))
            for place, follower in enumerate((exact, rough)):
                answer, held[place] = follower.advance(follower.embed(chunk.features), held[place])
                rows[place].append(answer)
        if not chunk.last:
            continue
        done += 1
        states.pop(chunk.job, None)
        both = logits.pop(chunk.job, None)
        if chunk.error is None and both is not None:
            a, b = (recognizer.probabilities(np.concatenate(part)) for part in both)
            found.append((chunk.job, a, b))
        progress(done, len(segments))
    if not found:
        raise DataError(
            "no video of the valid split can be read: int8 cannot be judged; give --data with one"
        )
    return _counted(recognizer, [(segments[job], a, b) for job, a, b in found])


def _counted(
    recognizer: Recognizer, found: Sequence[tuple[Segment, NDArray[np.float32], NDArray[np.float32]]]
) -> Accuracy:
    truth, exact, rough = [], [], []  # of videos
    window_truth, window_exact, window_rough = [], [], []
    for segment, a, b in found:
        full = np.arange(1, len(a) + 1) >= min(recognizer.spec.frames, len(a))
        label = recognizer.classes.index(str(segment.label))
        truth.append(label)
        exact.append(int(video_mean(a, full).argmax()))
        rough.append(int(video_mean(b, full).argmax()))
        window_truth += [label] * int(full.sum())
        window_exact += a[full].argmax(1).tolist()
        window_rough += b[full].argmax(1).tolist()
    return Accuracy(
        len(truth),
        (_equal(truth, exact), _equal(truth, rough)),
        _equal(exact, rough),
        len(window_truth),
        (_equal(window_truth, window_exact), _equal(window_truth, window_rough)),
        _equal(window_exact, window_rough),
    )


def _equal(first: Sequence[int], second: Sequence[int]) -> int:
    return sum(a == b for a, b in zip(first, second, strict=True))
