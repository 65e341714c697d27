"""Pictures that show the same: found by a perceptual hash, made sure of by comparing them small."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinema.data.likeness.hash_search import bit_count
from kinema.video import resize

DISTANCE = 14
"""Bits of 63 in which the hashes of two pictures may differ that are compared further; 1 in 100,000 random ones are so near."""
ALIKE = 0.93
"""Correlation of two pictures of 16 x 16 grey pixels from which they show the same."""

_SIDE, _SMALL, _LOW = 32, 16, 8
_BLANK = 2.0  # grey levels of contrast below which a picture shows nothing
_ROWS, _COLUMNS = 256, 16384  # hashes compared at a time: 32 MB of differences
_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_BASIS = np.cos(np.pi * np.arange(_LOW)[:, None] * (np.arange(_SIDE) + 0.5) / _SIDE).astype(np.float32)
_ODD = np.tile(np.arange(_LOW) % 2 == 1, _LOW)[1:]  # frequencies whose sign a mirror turns


@dataclass(frozen=True)
class PictureHash:
    """`plain` and `mirrored`: 63 bits; `small`: 16 x 16 grey pixels `(256,)`, mean 0, length 1; zeros of a blank picture."""

    plain: int
    mirrored: int
    small: NDArray[np.float32]


def picture_hash(image: NDArray[np.uint8]) -> PictureHash:
    """Return the hash of RGB `(H, W, 3)`, its sides stretched to a square.

    A bit says whether one of the 63 lowest cosine frequencies of the grey picture is above their median (the DCT hash of
    Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010).
    """
    grey = resize(np.ascontiguousarray(image), (_SIDE, _SIDE)).astype(np.float32) @ _GREY
    low = (_BASIS @ grey @ _BASIS.T).ravel()[1:]
    small = grey.reshape(_SMALL, 2, _SMALL, 2).mean(axis=(1, 3))
    small -= small.mean()
    blank = float(small.std()) < _BLANK
    flat = np.zeros(_SMALL * _SMALL, np.float32) if blank else small.ravel() / np.linalg.norm(small)
    return PictureHash(_bits(low), _bits(np.where(_ODD, -low, low)), flat.astype(np.float32))


def near_pairs(hashes: Sequence[PictureHash]) -> list[tuple[int, int]]:
    """Return the pairs (first < second) of pictures that show the same, as they are or as in a mirror.

    Found are copies that were encoded again, resized, stretched, brightened, mirrored, or cropped by a few hundredths. A
    blank picture is like none.
    """
    if len(hashes) < 2:
        return []
    plain = np.array([one.plain for one in hashes], np.uint64)
    turned = np.array([one.mirrored for one in hashes], np.uint64)
    small = np.stack([one.small for one in hashes])
    found: set[tuple[int, int]] = set()
    for begin in range(0, len(hashes), _ROWS):
        rows = slice(begin, begin + _ROWS)
        mirror = small[rows].reshape(-1, _SMALL, _SMALL)[:, :, ::-1].reshape(-1, _SMALL * _SMALL)
        for start in range(begin, len(hashes), _COLUMNS):
            columns = slice(start, start + _COLUMNS)
            for keys, looks in ((plain[rows], small[rows]), (turned[rows], mirror)):
                bits = bit_count(np.bitwise_xor(keys[:, None], plain[None, columns]))
                first, second = np.nonzero(bits <= DISTANCE)
                later = second + start > first + begin
                first, second = first[later], second[later] + start
                same = np.einsum("ij,ij->i", looks[first], small[second]) >= ALIKE
                found.update(zip((first[same] + begin).tolist(), second[same].tolist(), strict=True))
    return sorted(found)


def _bits(values: NDArray[np.float32]) -> int:
    return int("".join("1" if above else "0" for above in values > np.median(values)), 2)
