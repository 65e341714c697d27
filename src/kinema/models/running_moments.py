"""The moments of `motion_moments` for a live stream: a new sample costs one sample's work, not a window's.

In NumPy, in place, and with as little memory as will do: between two pictures of a camera the backbone has swept the caches,
and what is read from memory anew costs more than the sums themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

# Sums of float64 drift by their last bits; they are built anew from the window after so many samples.
_ANEW = 4096
# What is left of equal numbers after subtraction, relative to the largest sum of squares since the sums were built, is
# rounding and not change.
_ROUNDING = 1e-13

_Sums = NDArray[np.float64]
_SIDES = (np.maximum, np.minimum)
"""What rises and what falls: the part above zero and the part below."""


class RunningAnswers:
    """`push(sample (D,)) -> logits (K,)`: moments of the window, standardised, each block to length 1, one linear layer."""

    def __init__(
        self,
        moments: RunningMoments,
        mean: Tensor,
        std: Tensor,
        blocks: Sequence[int],
        factors: Tensor,
        weight: Tensor,
        bias: Tensor,
    ) -> None:
        """`factors`: of each block; `weight` `(K, M)`, `bias` `(K,)`."""
        self._moments = moments
        self._mean, self._inverse, self._factors = _array(mean), 1 / _array(std), _array(factors)
        self._weight, self._bias = _array(weight), _array(bias)
        self._sizes = np.array(blocks)
        self._starts = np.concatenate([[0], np.cumsum(blocks)[:-1]])

    def push(self, sample: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take the next sample `(D,)`; return the logits `(K,)` of the window that ends with it."""
        unit = self._moments.push(sample)
        unit -= self._mean
        unit *= self._inverse
        lengths = np.sqrt(np.add.reduceat(np.square(unit), self._starts))
        unit *= np.repeat(self._factors / np.maximum(lengths, 1e-12), self._sizes)
        answers: NDArray[np.float32] = self._weight @ unit + self._bias
        return answers


class RunningMoments:
    """Sums over the last T samples, updated by what enters and what leaves the window.

    `push(sample (D,)) -> moments (M,)`: what `MotionMoments.describe` gives for the window that ends with the sample, to
    within rounding. Needs T > `lag` and T > 1.
    """

    def __init__(
        self, window: Tensor, lag: int, sizes: Sequence[int], moving: Sequence[bool], channels: Sequence[int]
    ) -> None:
        """`window` `(T, D)`: the samples so far, oldest first."""
        self._lag, self._sizes, self._moving, self._channels = lag, sizes, moving, channels
        self._window = _array(window)
        self._half = len(window) // 2
        self._first = 0  # where the oldest sample is in the window
        self._pushed = 0
        # The parts that move come first in what kinema builds; of the others only the mean is asked for.
        ends = np.cumsum(sizes)
        self._moves = max((int(end) for end, moves in zip(ends, moving, strict=True) if moves), default=0)
        self._length = sum(
            4 * size + 2 * count if moves else size
            for size, moves, count in zip(sizes, moving, channels, strict=True)
        )
        self._a, self._b = np.empty(self._window.shape[1]), np.empty(self._moves)
        self._squares = self._largest = self._later = self._earlier = self._a
        self._changes: list[_Sums] = []
        self._steps: list[_Sums] = []
        self._build()

    def push(self, sample: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take the next sample `(D,)`; return the moments `(M,)` of the window that ends with it."""
        if self._pushed == _ANEW:
            self._window = np.roll(self._window, -self._first, 0)
            self._build()
        new = sample
        oldest, half, moves = self._at(0), self._at(self._half), self._moves
        every, a, b = self._a, self._a[:moves], self._b
        self._later += np.subtract(new, half, out=every, dtype=np.float64)
        self._earlier += np.subtract(half, oldest, out=every, dtype=np.float64)
        new, oldest = new[:moves], oldest[:moves]
        self._squares += np.square(new, out=a, dtype=np.float64)
        self._squares -= np.square(oldest, out=a, dtype=np.float64)
        np.maximum(self._largest, self._squares, out=self._largest)
        for sums, before, after in (
            (self._changes, self._at(-self._lag), self._at(self._lag)),
            (self._steps, self._at(-1), self._at(1)),
        ):
            np.subtract(new, before[:moves], out=a, dtype=np.float64)
            for total, side in zip(sums, _SIDES, strict=True):
                total += np.square(side(a, 0.0, out=b), out=b)
            np.subtract(after[:moves], oldest, out=a, dtype=np.float64)
            for total, side in zip(sums, _SIDES, strict=True):
                total -= np.square(side(a, 0.0, out=b), out=b)
        self._window[self._first] = sample
        self._first = (self._first + 1) % len(self._window)
        self._pushed += 1
        return self._moments()

    def _at(self, place: int) -> NDArray[np.float32]:
        found: NDArray[np.float32] = self._window[(self._first + place) % len(self._window)]
        return found

    def _build(self) -> None:
        window = self._window.astype(np.float64)
        self._first = self._pushed = 0
        self._later, self._earlier = window[self._half :].sum(0), window[: self._half].sum(0)
        window = window[:, : self._moves]
        self._squares = np.square(window).sum(0)
        self._largest = self._squares.copy()
        change, step = window[self._lag :] - window[: -self._lag], window[1:] - window[:-1]
        self._changes = [np.square(side(change, 0.0)).sum(0) for side in _SIDES]
        self._steps = [np.square(side(step, 0.0)).sum(0) for side in _SIDES]

    def _moments(self) -> NDArray[np.float32]:
        found = np.empty(self._length, np.float32)
        count, half = len(self._window), self._half
        least = np.multiply(self._largest, _ROUNDING, out=self._b)
        begin = start = 0
        for size, moving, channels in zip(self._sizes, self._moving, self._channels, strict=True):
            part, start = slice(start, start + size), start + size
            later, earlier, a = self._later[part], self._earlier[part], self._a[:size]
            if not moving:
                np.add(later, earlier, out=a)
                np.divide(a, count, out=found[begin : begin + size], casting="same_kind")
                begin += size
                continue
            np.square(np.divide(np.add(later, earlier, out=a), count, out=a), out=a)
            np.subtract(np.divide(self._squares[part], count), a, out=a)
            blocks = [(a, 1), *((power[part], count - self._lag) for power in self._changes)]
            for power, samples in blocks:
                block = found[begin : begin + size]
                np.divide(power, samples, out=block, casting="same_kind")
                block[power <= least[part] * samples] = 0.0
                np.sqrt(block, out=block)
                begin += size
            block = found[begin : begin + size]
            np.divide(later, count - half, out=a)
            np.subtract(a, earlier / half, out=block, casting="same_kind")
            begin += size
            for power in self._steps:
                cells = np.divide(power[part], count - 1, out=a)
                cells[cells <= least[part]] = (
                    0.0  # before the greatest is taken: each cell has its own rounding
                )
                greatest = cells.reshape(channels, -1).max(1)
                np.sqrt(greatest, out=found[begin : begin + channels], casting="same_kind")
                begin += channels
        sizes = np.sqrt(np.abs(found))
        return np.copysign(sizes, found, out=sizes)


def _array(values: Tensor) -> NDArray[np.float32]:
    found: NDArray[np.float32] = values.detach().float().cpu().numpy().copy()
    return found
