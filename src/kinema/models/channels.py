"""How many channels a layer gets where a paper's factor gives a fraction."""

from __future__ import annotations


def divisible(channels: float, by: int = 8) -> int:
    """Return the multiple of `by` nearest to `channels`, at least `by` and at most a tenth smaller.

    The rule of MobileNetV2's code, which MoViNet and X3D keep.

    >>> divisible(6.75), divisible(27)
    (8, 32)
    """
    rounded = max(by, int(channels + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * channels else rounded
