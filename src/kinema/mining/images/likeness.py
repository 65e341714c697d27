"""How alike two images look: a perceptual hash, and an index of those that are there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinema.data.likeness.hash_search import bit_count
from kinema.errors import UsageError
from kinema.mining.images.found import NEEDS

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 16
"""The hash has SIDE x SIDE bits."""
DISTANCE = 40
"""Bits in which near-duplicates may differ.

On frames of 160 videos (UCF101, fights, falls, UT-Interaction, KTH), copies at JPEG quality 30, at half the size or
brighter differ in at most 18 bits, with 2 % cut off all around in 32 (median). Of the 12,720 pairs of videos 11 are
nearer than 44, all of fights or of falls, where cameras stand still. With 64 bits copies and others overlap.
"""


@dataclass(frozen=True, slots=True)
class Likeness:
    """A perceptual hash (DCT, SIDE x SIDE bits) in hexadecimal, and the standard deviation of grey levels (0 to 128)."""

    hash: str
    contrast: float


def likeness_of(image: Image) -> Likeness:
    """Return the likeness of an RGB picture.

    Raises `UsageError` when the mining extra is not installed.
    """
    try:
        import imagehash
    except ImportError as error:
        raise UsageError(NEEDS) from error
    grey = image.convert("L").resize((64, 64))
    return Likeness(str(imagehash.phash(image, hash_size=SIDE)), float(np.asarray(grey, np.float32).std()))


class LikenessIndex:
    """Hashes of images by their names; finds those that look like another, by counting bits."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._rows: dict[str, int] = {}
        self._bits: NDArray[np.uint8] = np.zeros((0, SIDE * SIDE // 8), np.uint8)

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, name: str, hash_: str) -> None:
        """Add an image, or change the hash of one."""
        row = self._rows.get(name)
        if row is None:
            row = self._rows[name] = len(self._names)
            self._names.append(name)
            if row >= len(self._bits):
                self._bits = np.vstack([self._bits, np.zeros((max(64, row), self._bits.shape[1]), np.uint8)])
        self._bits[row] = _bytes(hash_)

    def near(self, hash_: str, distance: int = DISTANCE) -> list[tuple[int, str]]:
        """Return the images that differ in at most `distance` bits, as (bits, name), the nearest first."""
        count = len(self._names)
        apart = np.ascontiguousarray(self._bits[:count] ^ _bytes(hash_)).view(np.uint64)
        bits = bit_count(apart).sum(axis=1, dtype=np.int64)
        return sorted((int(bits[row]), self._names[row]) for row in np.flatnonzero(bits <= distance))


def _bytes(hash_: str) -> NDArray[np.uint8]:
    return np.frombuffer(bytes.fromhex(hash_), np.uint8)
