"""Shot cuts, found while a video is decoded for other reasons: the frames' planes are looked at, nothing is converted.

The test is the usual one on consecutive frames (Zhang, Kankanhalli, Smoliar 1993, "Automatic partitioning of full-motion
video"; the adaptive rule is that of PySceneDetect's AdaptiveDetector): colour histograms and tiny pictures differ much, and
much more than their neighbours in time do.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WIDTH = 64  # luma samples across a tiny picture, about
_LEVELS = 32  # bins of a histogram
_EIGHT_BIT = frozenset(
    {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "yuv410p", "yuv411p", "yuv440p"}
)
_REACH = 6  # frames on each side that a change is compared with
_FLASH = 3  # frames that a flash lasts at most


@dataclass(frozen=True)
class CutRule:
    """When a change between two frames is a cut.

    `least`: the smallest change (0 to 1) that is one. `ratio`: how many times the mean change of the frames around it must be;
    `clear`: a change from which on half of that is enough. `peak`: how many times the largest change around it must be, which
    tells cuts from pictures that move in jerks. One of the changes around it is not counted: it may be a cut itself.
    `lasting`: the share of the change that must still be there some frames later, which a flash's is not.
    """

    least: float = 0.035
    ratio: float = 6.0
    clear: float = 0.3
    peak: float = 1.5
    lasting: float = 0.5


@dataclass(slots=True)
class _Look:
    """What is kept of a frame: the `samples` of its tiny planes, one or three, one behind the other; how many each has; and the
    share of them at or below each of 32 levels, `(planes, 32)`.
    """

    samples: NDArray[np.int16]
    sizes: tuple[int, ...]
    shares: NDArray[np.float64]


class CutFinder:
    """Takes the frames of a video in order, and knows its cuts up to a moment shortly before the last one.

    `push` wants what a source's `pictures` yields. `cuts`: the times (seconds) of first frames of new shots. `settled`: no cut
    before this time is found any more.
    """

    def __init__(self, rule: CutRule | None = None) -> None:
        self.rule = rule or CutRule()
        self.cuts: list[float] = []
        self.settled = 0.0
        self._recent: deque[tuple[float, float, _Look]] = deque(maxlen=2 * _REACH + 2)
        self._decided = 0
        self._count = 0

    def push(self, picture: Any) -> None:
        """Take the next frame: anything with a `time`, and a decoded `frame` or an `image(size)`."""
        look = look_at(picture)
        change = difference(self._recent[-1][2], look) if self._recent else 0.0
        self._recent.append((picture.time, change, look))
        self._count += 1
        self._decide(self._count - _REACH)

    def finish(self) -> None:
        """Decide what waited for later frames."""
        self._decide(self._count)
        self.settled = float("inf")

    def _decide(self, upto: int) -> None:
        first = self._count - len(self._recent)
        while self._decided < upto:
            place = self._decided - first
            if self._decided > 0 and self._is_cut(place):
                self.cuts.append(self._recent[place][0])
            self._decided += 1
            if self._decided < self._count:
                self.settled = self._recent[self._decided - first][0]

    def _is_cut(self, place: int) -> bool:
        change = self._recent[place][1]
        if change < self.rule.least:
            return False
        before = [self._recent[i][1] for i in range(max(1, place - _REACH), place)]
        behind = [self._recent[i][1] for i in range(place + 1, min(len(self._recent), place + _REACH))]
        around = before + behind
        if around:
            around.remove(max(around))
        usual = sum(around) / len(around) if around else 0.0
        ratio = self.rule.ratio / (2 if change >= self.rule.clear else 1)
        if change < max(ratio * usual, self.rule.peak * max(around, default=0.0)):
            return False
        # A flash comes and goes: the pictures some frames before and behind it are alike.
        earlier = self._recent[max(0, place - 1 - _FLASH)][2]
        later = self._recent[min(len(self._recent) - 1, place + _FLASH)][2]
        least = self.rule.lasting * change
        return (
            difference(self._recent[place - 1][2], later) >= least
            and difference(earlier, self._recent[place][2]) >= least
        )


def look_at(picture: Any) -> _Look:
    """Return what a frame is compared by; of a decoded planar frame without converting it."""
    frame = getattr(picture, "frame", None)
    name = frame.format.name if frame is not None else ""
    if name in _EIGHT_BIT:
        planes = [_plane(frame, 0), _plane(frame, 1), _plane(frame, 2)]
    elif name in ("gray", "nv12"):
        planes = [_plane(frame, 0)]
    else:
        image = picture.image((_WIDTH, 36))
        planes = [image[..., i] for i in range(3)]
    sizes = tuple(plane.size for plane in planes)
    samples = np.concatenate([plane.ravel() for plane in planes])
    # The bins of the three planes lie behind each other, so that all are counted at once.
    bins = np.bincount((samples >> 3) + _first_bins(sizes), minlength=_LEVELS * len(planes))
    shares = bins.reshape(len(planes), _LEVELS) / np.array(sizes)[:, None]
    return _Look(samples.astype(np.int16), sizes, shares.cumsum(axis=1))


def difference(first: _Look, second: _Look) -> float:
    """Return how much two frames differ, 0 to 1: the mean of what histograms and pixels say, luma counted twice.

    Histograms are compared by how far their values must move (the earth mover's distance), so that a little more light in a
    dull scene is a small change.
    """
    if first.sizes != second.sizes:
        return 1.0  # the stream changes its size or format
    weights = np.array([2.0, 1.0, 1.0][: len(first.sizes)])
    moved = np.abs(first.shares - second.shares).sum(axis=1) / _LEVELS
    apart = np.abs(first.samples - second.samples)
    places = np.cumsum((0, *first.sizes[:-1]))
    pixels = np.add.reduceat(apart, places, dtype=np.int64) / (255.0 * np.array(first.sizes))
    return float((np.minimum(1.0, 2 * (moved + pixels)) * weights).sum() / weights.sum())


@cache
def _first_bins(sizes: tuple[int, ...]) -> NDArray[np.uint8]:
    return np.repeat(np.arange(len(sizes), dtype=np.uint8) * _LEVELS, sizes)


def _plane(frame: Any, index: int) -> NDArray[np.uint8]:
    plane = frame.planes[index]
    rows = np.frombuffer(plane, np.uint8)
    width, line = plane.width, plane.line_size
    height = min(plane.height, len(rows) // line)
    step = max(1, width // (_WIDTH // 2 if index else _WIDTH))
    # Every so many samples: for a histogram they stand for the others.
    return rows[: height * line].reshape(height, line)[::step, :width:step]
