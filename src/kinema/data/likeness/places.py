"""Clips that show the same place: their backgrounds agree, whatever happens before them."""

from __future__ import annotations

from collections.abc import Sequence, Set

import numpy as np
from numpy.typing import NDArray

from kinema.data.groups import tied_rows
from kinema.data.likeness.fingerprints import Fingerprint

SAME_PLACE = 0.95
"""Correlation of two clips' median pictures from which they show the same place.

The ten places found so among 120 clips of surveillance video are of one camera each, looked at one by one; UCF101 clips
of one class but of different groups reach 0.88.
"""


def same_places(
    prints: Sequence[Fingerprint | None], parts: Sequence[int], known: Set[tuple[int, int]]
) -> list[tuple[int, ...]]:
    """Return the rows of clips of different parts that show the same place, the largest place first.

    `prints` are a clip each, None where nothing could be decoded; a part below 0 takes no part. Places whose
    clips are only alike for the same footage, in the pairs of rows `known`, are left out.
    """
    rows = [i for i, one in enumerate(prints) if one is not None and parts[i] >= 0]
    if not rows:
        return []
    pictures = np.stack([np.median(prints[i].pictures, axis=0) for i in rows])  # type: ignore[union-attr]
    numbers = np.array([parts[i] for i in rows])
    joins: list[tuple[int, int]] = []
    straight, mirrored = _unit(pictures), _unit(pictures[:, :, ::-1])
    for begin in range(0, len(rows), 512):
        block = slice(begin, begin + 512)
        alike = np.maximum(straight[block] @ straight.T, mirrored[block] @ straight.T) >= SAME_PLACE
        alike &= numbers[block, None] != numbers[None]
        joins += [(begin + int(i), int(j)) for i, j in zip(*np.nonzero(alike), strict=True) if begin + i < j]
    tied = tied_rows([str(i) for i in range(len(rows))], joins)
    members: dict[str, list[int]] = {}
    for i, name in enumerate(tied):
        members.setdefault(name, []).append(rows[i])
    other = {tied[i] for i, j in joins if (rows[i], rows[j]) not in known}
    return sorted((tuple(m) for name, m in members.items() if name in other), key=lambda m: (-len(m), m))


def _unit(pictures: NDArray[np.floating]) -> NDArray[np.float32]:
    flat = pictures.reshape(len(pictures), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    # A picture without contrast is like none.
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 2.0 * flat.shape[1] ** 0.5)
