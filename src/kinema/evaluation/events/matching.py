"""Which found event is which labelled segment: temporal IoU, greedy matching, average precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Spans:
    """Stretches of one label in several videos, in order of `video` `(n,)` (numbers of videos, from 0).

    `start` and `end` `(n,)` are seconds of the video, `score` `(n,)` the confidence of found ones (zeros: no matter).
    """

    video: NDArray[np.int64]
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    score: NDArray[np.float64]

    @classmethod
    def of(cls, rows: Sequence[tuple[int, float, float, float]]) -> Spans:
        """Return the spans of rows `(video, start, end, score)` in any order; rows of one video keep theirs."""
        table = np.array(sorted(rows, key=lambda row: row[0]), np.float64).reshape(-1, 4)
        return cls(table[:, 0].astype(np.int64), table[:, 1], table[:, 2], table[:, 3])

    def __len__(self) -> int:
        return len(self.video)


@dataclass(frozen=True)
class Pairs:
    """Every found span with every true one of its video: their places, tIoU, and whether they share a moment."""

    found: NDArray[np.int64]
    truth: NDArray[np.int64]
    tiou: NDArray[np.float64]
    touch: NDArray[np.bool_]


def pairs_of(found: Spans, truth: Spans) -> Pairs:
    """Pair the spans of each video.

    tIoU is the length of the intersection over that of the union. A found span without length touches the true one
    that holds its moment.
    """
    first = np.searchsorted(truth.video, found.video, side="left")
    count = np.searchsorted(truth.video, found.video, side="right") - first
    one = np.repeat(np.arange(len(found)), count)
    within = np.arange(len(one)) - np.repeat(np.cumsum(count) - count, count)
    other = np.repeat(first, count) + within
    latest_start = np.maximum(found.start[one], truth.start[other])
    earliest_end = np.minimum(found.end[one], truth.end[other])
    shared = np.maximum(0.0, earliest_end - latest_start)
    length = found.end[one] - found.start[one]
    union = length + truth.end[other] - truth.start[other] - shared
    tiou = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    moment = (length == 0) & (truth.start[other] <= found.start[one]) & (found.start[one] < truth.end[other])
    return Pairs(one, other, tiou, (shared > 0) | moment)


def match(pairs: Pairs, score: NDArray[np.float64], threshold: float) -> dict[int, int]:
    """Return which true span each found one is given: `{place of the found: place of the true}`.

    Greedy, as ActivityNet's and THUMOS14's evaluation do it: found spans in order of falling `score` (of equals, the
    earlier in the table), each takes the true span of its video with the highest tIoU of at least `threshold` that none
    before it has taken. So a second event of one segment is wrong (Caba Heilbron et al., "ActivityNet", CVPR 2015, and
    eval_detection.py of the challenge; Idrees et al., "The THUMOS challenge on action recognition for videos", CVIU 2017).
    """
    # A nanosecond in 100 s of grace: 0.5 of a whole is 0.5 however its ends were added up.
    near = np.flatnonzero(pairs.tiou >= threshold - 1e-11)
    one, other = pairs.found[near], pairs.truth[near]
    order = np.lexsort((other, -pairs.tiou[near], one, -score[one]))
    given: dict[int, int] = {}
    taken: set[int] = set()
    for place, target in zip(one[order].tolist(), other[order].tolist(), strict=True):
        if place not in given and target not in taken:
            given[place] = target
            taken.add(target)
    return given


def precision_recall(
    hits: NDArray[np.bool_], score: NDArray[np.float64], total: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return precision and recall `(n,)` of the found spans down to each one, in order of falling score.

    `hits` `(n,)` says which are right, of `total` true ones (at least one).
    """
    right = np.cumsum(hits[np.argsort(-score, kind="stable")])
    return right / np.arange(1, len(hits) + 1), right / total


def average_precision(hits: NDArray[np.bool_], score: NDArray[np.float64], total: int) -> float:
    """Return the interpolated average precision of one label: the area under the curve of the highest precision at
    any recall at least as high (PASCAL VOC since 2010, and ActivityNet's `interpolated_prec_rec`).

    THUMOS14's own script adds up precision at each hit without interpolation, which gives a little less.

    >>> average_precision(np.array([True, False, True]), np.array([0.9, 0.8, 0.7]), 2)
    0.8333333333333333
    """
    if not len(hits):
        return 0.0
    precision, recall = precision_recall(hits, score, total)
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * highest))
