"""Stretches of one label in a timeline of probabilities."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class LabelledStretch:
    """A stretch of video with one most probable class: `[start, end)` in seconds.

    `mean` and `peak` are the mean and the largest probability of `label` over the rows inside; `peak_time`
    (seconds) is that of the largest.
    """

    start: float
    end: float
    label: str
    mean: float
    peak: float
    peak_time: float


def segments_of(
    times: NDArray[np.float64],
    probabilities: NDArray[np.floating[Any]],
    classes: Sequence[str],
    *,
    min_seconds: float = MIN_SECONDS,
    end: float | None = None,
) -> list[LabelledStretch]:
    """Return the runs of the most probable class, in order and without gaps.

    `times` `(n,)` in seconds, rising; `probabilities` `(n, K)`. A row holds from its time to that of the
    next, the last row to `end` (the end of the video; default: as long as the row before). A run shorter
    than `min_seconds` goes to the neighbour whose class is the more probable during it, the shortest run
    first; a run alone stays, however short.

    >>> rows = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    >>> [(s.label, s.start, s.end) for s in segments_of(np.array([0.0, 1.0, 2.0]), rows, ["run", "walk"])]
    [('run', 0.0, 2.0), ('walk', 2.0, 3.0)]
    """
    if not len(times):
        return []
    times = np.asarray(times, np.float64)
    if end is None:
        end = float(times[-1] + (times[-1] - times[-2] if len(times) > 1 else 0.0))
    edges = np.append(times, max(end, float(times[-1])))
    best = np.asarray(probabilities).argmax(axis=1)
    starts = [0, *(np.flatnonzero(best[1:] != best[:-1]) + 1).tolist(), len(best)]
    runs = _merged(starts, [int(best[first]) for first in starts[:-1]], edges, probabilities, min_seconds)
    found = []
    for first, last, label in runs:
        inside = probabilities[first:last, label]
        top = int(inside.argmax())
        found.append(
            LabelledStretch(
                float(edges[first]),
                float(edges[last]),
                classes[label],
                float(inside.mean(dtype=np.float64)),
                float(inside[top]),
                float(times[first + top]),
            )
        )
    return found


def _merged(
    starts: list[int],
    labels: list[int],
    edges: NDArray[np.float64],
    probabilities: NDArray[np.floating[Any]],
    min_seconds: float,
) -> list[tuple[int, int, int]]:
    """Return `(first row, row after the last, label)` of the runs that remain.

    The runs are a linked list and a heap holds the short ones, so that a long, restless video costs n log n.
    """
    count = len(labels)
    first, last, label = starts[:-1], starts[1:], labels
    before, after = list(range(-1, count - 1)), list(range(1, count + 1))
    alive = [True] * count

    def seconds(run: int) -> float:
        return float(edges[last[run]] - edges[first[run]])

    def join(left: int, right: int) -> int:
        """Make `right` part of `left`."""
        alive[right] = False
        last[left], after[left] = last[right], after[right]
        if after[right] < count:
            before[after[right]] = left
        return left

    # A nanosecond of grace: a run of exactly `min_seconds` stays although its edges are not exact.
    limit = min_seconds - 1e-9
    short = [(seconds(run), run) for run in range(count) if seconds(run) < limit]
    heapq.heapify(short)
    while short:
        length, run = heapq.heappop(short)
        if not alive[run] or length != seconds(run):
            continue
        left, right = before[run], after[run]
        sides = [side for side in (left, right) if 0 <= side < count]
        if not sides:
            break
        rows = probabilities[first[run] : last[run]]
        label[run] = label[max(sides, key=lambda side: float(rows[:, label[side]].mean()))]
        if left >= 0 and label[left] == label[run]:
            run = join(left, run)
        if right < count and label[right] == label[run]:
            run = join(run, right)
        if seconds(run) < limit:
            heapq.heappush(short, (seconds(run), run))
    return [(first[run], last[run], label[run]) for run in range(count) if alive[run]]
