"""What each second of a video looks like in a few numbers, by which clips are told apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinema.mining.clips.curve import BIN
from kinema.video import resize

_NUMBERS = 48


class Description:
    """Takes the samples of a video in order, features `(n, D)` or pictures `(n, H, W, 3)`; keeps a row for each `BIN` seconds.

    A row is the mean over its samples, of features in a random projection, of pictures in 4 x 8 colours.
    """

    def __init__(self, known: NDArray[np.float32] | None = None) -> None:
        """`known`: the rows `(m, d)` of the seconds before the first sample."""
        self._rows: list[NDArray[np.float32]] = [] if known is None else list(known)
        self._bin = -1
        self._sum: NDArray[np.float32] | None = None
        self._count = 0
        self._projection: NDArray[np.float32] | None = None

    def add(self, times: NDArray[np.float64], samples: NDArray[Any]) -> None:
        """Take the next samples and their `times` `(n,)` in seconds."""
        if samples.ndim > 2:
            times = times[:: max(1, len(samples) // 4)]
            samples = np.stack([_colours(picture) for picture in samples[:: max(1, len(samples) // 4)]])
        bins = (times / BIN).astype(np.int64)
        for number in np.unique(bins).tolist():
            part = samples[bins == number].astype(np.float32)
            if number != self._bin:
                self._put(self._rows)
                self._bin, self._sum, self._count = number, None, 0
            total = part.sum(axis=0)
            self._sum = total if self._sum is None else self._sum + total
            self._count += len(part)

    def rows(self) -> NDArray[np.float32]:
        """Return the rows `(m, d)` from the first second on; one without a sample repeats the one before it."""
        rows = list(self._rows)
        self._put(rows)
        return np.stack(rows) if rows else np.zeros((0, _NUMBERS), np.float32)

    def _put(self, rows: list[NDArray[np.float32]]) -> None:
        if self._sum is None:
            return
        row = self._short(self._sum / np.float32(self._count))
        del rows[self._bin :]
        last = rows[-1] if rows else row
        rows += [last] * (self._bin - len(rows))
        rows.append(row)

    def _short(self, mean: NDArray[np.float32]) -> NDArray[np.float32]:
        if len(mean) <= 2 * _NUMBERS:
            return mean
        if self._projection is None:
            # Distances are kept by a random projection (Johnson and Lindenstrauss 1984); the seed makes it one for all.
            rng = np.random.default_rng(0)
            shape = (len(mean), _NUMBERS)
            self._projection = rng.standard_normal(shape).astype(np.float32) / np.float32(np.sqrt(_NUMBERS))
        # Not a BLAS product: its threads would go on spinning on the cores that decoding and the backbone need.
        row: NDArray[np.float32] = np.einsum("d,dk->k", mean, self._projection)
        return row


def _colours(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    return resize(image, (8, 4)).astype(np.float32).ravel() / np.float32(255)
