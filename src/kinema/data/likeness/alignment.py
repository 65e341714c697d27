"""Whether two stretches of video show the same footage, and how they lie to each other in time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinema.data.likeness.fingerprints import RATE, SIDE, STEP, STILL, Fingerprint

MOVING = 0.72
"""Correlation of the changes from which they are the same motion; `benchmarks/likeness.py` shows what this misses."""

_WINDOW = round(RATE) - STEP  # moments of one second of video, which is compared at a time
_ALIKE = 0.5  # correlation that each second of an overlap must have
_SHORT = 0.12  # added to MOVING for one second of overlap, and to nothing from _LONG seconds on
_LONG = 3.0
_STILL_ALIKE = 0.995  # correlation of pictures in which nothing moves
_WORTH_WARPING = 0.15
_WHOLE = 250_000  # cells up to which all offsets are tried, not only those that hashes propose
_WARPS = (
    (0.05, 0.95, 0.05, 0.95),
    (0.10, 0.90, 0.10, 0.90),
    (0.05, 1.00, 0.00, 1.00),
    (0.00, 0.95, 0.00, 1.00),
    (0.00, 1.00, 0.05, 1.00),
    (0.00, 1.00, 0.00, 0.95),
)  # top, bottom, left, right of the part that one shows of the other


@dataclass(frozen=True)
class Alignment:
    """Moments `[start, start + count)` of one stretch that show what those from `start + offset` on of another show.

    `likeness` is the correlation of their changes, over space and time; `still` says that nothing moves and
    that it is the pictures' correlation.
    """

    start: int
    offset: int
    count: int
    likeness: float
    still: bool


class Moments:
    """A fingerprint made ready for comparison; `mirrored` as in a mirror."""

    def __init__(self, fingerprint: Fingerprint, mirrored: bool = False) -> None:
        changes, views = fingerprint.changes(), fingerprint.views()
        if mirrored:
            changes, views = changes[:, :, ::-1], views[:, :, ::-1]
        self._set(changes, views)

    def _set(self, changes: NDArray[np.float32], views: NDArray[np.float32]) -> None:
        count = len(changes)
        self.changes = np.ascontiguousarray(changes.reshape(count, -1))
        flat = views.reshape(count, -1)
        self.views = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-3)
        self.energy = (self.changes**2).mean(axis=1)

    def __len__(self) -> int:
        return len(self.changes)

    def warped(self, top: float, bottom: float, left: float, right: float) -> Moments:
        """Return what a crop of the picture shows, at the same size."""
        vertical, horizontal = _stretch(top, bottom), _stretch(left, right)
        made = Moments.__new__(Moments)
        parts = [
            vertical @ part.reshape(-1, SIDE, SIDE) @ horizontal.T for part in (self.changes, self.views)
        ]
        made._set(*(part - part.mean(axis=(1, 2), keepdims=True) for part in parts))
        return made


def align(first: Moments, second: Moments, offsets: Iterable[int] = ()) -> Alignment | None:
    """Return where two stretches show the same footage, None where they do not.

    `offsets` are guesses, in moments; for short stretches all are tried. Crops of up to a tenth on each side
    are undone where they are worth a try.
    """
    offsets = {near for offset in offsets for near in (offset - 1, offset, offset + 1)}
    if offsets and not any(_worth(first, second, offset) for offset in offsets):
        return None
    best, promise = _align(first, second, offsets)
    if best is not None and best.likeness >= MOVING + _SHORT:
        return best
    if promise < _WORTH_WARPING:
        return best
    found = [best] if best is not None else []
    for warp in _WARPS:
        for pair in ((first.warped(*warp), second), (first, second.warped(*warp))):
            one, _ = _align(*pair, offsets)
            found += [one] if one is not None else []
    return max(found, key=_weight, default=None)


def _align(first: Moments, second: Moments, offsets: Iterable[int]) -> tuple[Alignment | None, float]:
    """Return the best alignment and the best correlation seen, promising or not."""
    if len(first) * len(second) <= _WHOLE:
        chosen, promise = _promising(first, second)
    else:
        chosen, promise = sorted(o for o in offsets if -len(first) < o < len(second)), 1.0
    found = [one for offset in chosen if (one := _along(first, second, offset)) is not None]
    return max(found, key=_weight, default=None), promise


def _worth(first: Moments, second: Moments, offset: int) -> bool:
    """Return whether the whole overlap at one offset, or a second of it, correlates at all."""
    parts, size = _overlap(first, second, offset), min(_WINDOW, len(first), len(second))
    if len(parts[0]) < size:
        return False
    sums = [np.convolve(part, np.ones(size), "valid") for part in parts]
    if (sums[3] >= size * _STILL_ALIKE).any():
        return True
    whole = _correlation(*(part.sum() for part in parts[:3]))
    return bool(max(whole, _correlation(*sums[:3]).max() - 0.1) >= _WORTH_WARPING)


def _overlap(first: Moments, second: Moments, offset: int) -> list[NDArray[np.float32]]:
    """Return for each moment of the overlap: product of the changes, energy of both, correlation of the pictures."""
    start, stop = max(0, -offset), min(len(first), len(second) - offset)
    here, there = slice(start, max(start, stop)), slice(start + offset, max(start, stop) + offset)
    dots = np.einsum("ij,ij->i", first.changes[here], second.changes[there]) / first.changes.shape[1]
    views = np.einsum("ij,ij->i", first.views[here], second.views[there])
    return [dots, first.energy[here], second.energy[there], views]


def _weight(one: Alignment) -> float:
    return one.likeness * one.count**0.5


def _promising(first: Moments, second: Moments) -> tuple[list[int], float]:
    """Return the offsets whose whole overlap, or whose best second, correlates best."""
    n, m = len(first), len(second)
    dots = _skewed(first.changes @ second.changes.T / first.changes.shape[1])
    ones = _skewed(np.repeat(first.energy[:, None], m, axis=1))
    others = _skewed(np.repeat(second.energy[None], n, axis=0))
    sums = [np.vstack([np.zeros((1, n + m - 1)), part.cumsum(axis=0)]) for part in (dots, ones, others)]
    length = np.minimum.reduce(
        [np.arange(n + m - 1) + 1, np.arange(n + m - 1)[::-1] + 1, np.full(n + m - 1, min(n, m))]
    )
    size = min(_WINDOW, n, m)
    whole = _correlation(*(part[-1] for part in sums))
    whole[length < size] = -1
    windows = _correlation(*(part[size:] - part[:-size] for part in sums)).max(axis=0)
    windows[length < size] = -1
    # Where nothing moves correlations mean nothing: then the pictures decide.
    views = _skewed(first.views @ second.views.T).sum(axis=0) / length
    views[length < size] = -1
    best = {int(i) - (n - 1) for part in (whole, windows, views) for i in np.argsort(-part)[:2]}
    return sorted(best), float(max(whole.max(), windows.max() - 0.3))


def _skewed(cells: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return `(n, n + m - 1)`: the diagonals of `(n, m)` as columns, the one of offset o in column n - 1 + o."""
    n, m = cells.shape
    padded = np.zeros((n, n + m))
    padded[:, :m] = cells[::-1]
    return padded.ravel()[: n * (n + m - 1)].reshape(n, n + m - 1)


def _along(first: Moments, second: Moments, offset: int) -> Alignment | None:
    """Return the longest stretch at one offset in which every second is alike, if it is enough."""
    parts, size = _overlap(first, second, offset), min(_WINDOW, len(first), len(second))
    if len(parts[0]) < size:
        return None
    seconds = [np.convolve(part, np.ones(size), "valid") for part in parts]
    still = (seconds[1] < size * STILL**2) & (seconds[2] < size * STILL**2)
    alike = np.where(still, seconds[3] >= size * _STILL_ALIKE, _correlation(*seconds[:3]) >= _ALIKE)
    found = [
        _judged([part[begin : end + size - 1] for part in parts], size, max(0, -offset) + begin, offset)
        for begin, end in _stretches(alike)
    ]
    return max((one for one in found if one is not None), key=_weight, default=None)


def _judged(parts: Sequence[NDArray[np.float32]], size: int, start: int, offset: int) -> Alignment | None:
    dots, one, other, views = parts
    moving = (one >= STILL**2) | (other >= STILL**2)
    if moving.sum() >= size / 2:
        likeness, still = float(_correlation(dots.sum(), one.sum(), other.sum())), False
        seconds = moving.sum() / RATE
        enough = MOVING + _SHORT * min(max((_LONG - seconds) / (_LONG - 1), 0), 1)
    else:
        likeness, still, enough = float(views.mean()), True, _STILL_ALIKE
    if likeness < enough:
        return None
    return Alignment(start, offset, len(dots), min(likeness, 1.0), still)


def _stretches(alike: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], alike.astype(np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _correlation(dots: NDArray, one: NDArray, other: NDArray) -> NDArray[np.float64]:
    # The floor keeps stretches without motion, whose energy is that of rounding, from correlating by chance.
    return np.asarray(dots / np.sqrt(np.maximum(one, 1e-2) * np.maximum(other, 1e-2)))


def _stretch(low: float, high: float) -> NDArray[np.float32]:
    """Return `(16, 16)`: the weights that make of a row of pixels its part from `low` to `high`, by linear interpolation."""
    at = np.clip((low + (high - low) * (np.arange(SIDE) + 0.5) / SIDE) * SIDE - 0.5, 0, SIDE - 1)
    below = np.minimum(at.astype(int), SIDE - 2)
    weights = np.zeros((SIDE, SIDE), dtype=np.float32)
    weights[np.arange(SIDE), below] = 1 - (at - below)
    weights[np.arange(SIDE), below + 1] = at - below
    return weights
