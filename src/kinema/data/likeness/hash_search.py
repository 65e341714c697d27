"""Which stretches of video might show the same: pairs with a moment whose 64-bit hashes nearly agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinema.data.likeness.fingerprints import RATE, STILL, Fingerprint, moment_hashes

DISTANCE = 12
"""Bits of 64 in which two moments may differ; of unrelated ones at most 2 in 10,000 are as near."""

_BLOCK, _CHUNK = (
    64,
    4096,
)  # hashes compared at a time: 2 MB of differences, which stay in the cache of the CPU


@dataclass(frozen=True)
class Candidate:
    """Two fingerprints by their numbers, `first` < `second`, and the `offsets` in moments at which hashes agree.

    `mirrored`: it is the mirror image of the first that agrees with the second.
    """

    first: int
    second: int
    mirrored: bool
    offsets: tuple[int, ...]


@dataclass(frozen=True)
class _Index:
    """The moments of all fingerprints one after the other, those of one part side by side; `anchors` are rows of it."""

    owner: NDArray[np.int64]
    place: NDArray[np.int64]
    part: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    mirrors: NDArray[np.uint64]
    anchors: NDArray[np.int64]


def propose(
    prints: Sequence[Fingerprint | None],
    parts: Sequence[int],
    *,
    distance: int = DISTANCE,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[Candidate]:
    """Return the pairs of fingerprints of different `parts` that have a moment in common, in their order.

    In each second of each fingerprint the moment with most motion is compared with every moment of all
    others; a part below 0 takes no part. All pairs are compared, by counting bits:
    13,320 clips of 7 s take two minutes on two busy cores.
    """
    index = _index(prints, parts)
    blocks = [index.anchors[i : i + _BLOCK] for i in range(0, len(index.anchors), _BLOCK)]
    found: list[NDArray[np.int64]] = []
    executor = ThreadPoolExecutor(workers)
    try:
        for done, hits in enumerate(executor.map(lambda rows: _hits(index, rows, distance), blocks), start=1):
            found.append(hits)
            if progress:
                progress(done, len(blocks))
    finally:
        executor.shutdown(cancel_futures=True)
    return _candidates(np.unique(np.vstack(found), axis=0)) if found else []


def _index(prints: Sequence[Fingerprint | None], parts: Sequence[int]) -> _Index:
    columns: list[list[NDArray]] = [[], [], [], [], []]
    anchors, size = [], 0
    order = sorted(
        (i for i, one in enumerate(prints) if one is not None and parts[i] >= 0), key=lambda i: parts[i]
    )
    for i in order:
        one = prints[i]
        assert one is not None
        hashes, mirrors, seen = moment_hashes(one)
        rows = np.flatnonzero(seen)
        anchors += [size + int(np.searchsorted(rows, moment)) for moment in _anchors(one, seen)]
        full = np.full(len(rows), i), rows, np.full(len(rows), parts[i]), hashes[rows], mirrors[rows]
        for column, values in zip(columns, full, strict=True):
            column.append(values)
        size += len(rows)
    kinds = (np.int64, np.int64, np.int64, np.uint64, np.uint64)
    owner, place, part, plain, mirrored = (
        np.concatenate([np.zeros(0, kind), *column]) for kind, column in zip(kinds, columns, strict=True)
    )
    return _Index(owner, place, part, plain, mirrored, np.array(anchors, dtype=np.int64))


def _anchors(one: Fingerprint, seen: NDArray[np.bool_]) -> list[int]:
    """Return the moment with most motion in each second; still seconds only where nothing moves at all."""
    energy = np.where(seen, (one.changes() ** 2).mean(axis=(1, 2)), -1.0)
    size = round(RATE)
    best = [start + int(energy[start : start + size].argmax()) for start in range(0, len(energy), size)]
    best = [moment for moment in best if energy[moment] >= 0]
    moving = [moment for moment in best if energy[moment] >= STILL**2]
    return moving or best


def _hits(index: _Index, rows: NDArray[np.int64], distance: int) -> NDArray[np.int64]:
    """Return `(n, 4)`: first, second, mirrored, offset; of each anchor with each fingerprint the nearest moment."""
    found = [np.zeros((0, 4), dtype=np.int64)]
    parts = index.part[rows]
    work = np.empty((len(rows), _CHUNK), dtype=np.uint64)
    for begin in range(0, len(index.hashes), _CHUNK):
        chunk = slice(begin, begin + _CHUNK)
        there = index.part[chunk]
        if (
            parts[0] == parts[-1] == there[0] == there[-1]
        ):  # parts lie side by side: nothing here is of another
            continue
        for mirrored, keys in enumerate((index.hashes[rows], index.mirrors[rows])):
            bits = bit_count(
                np.bitwise_xor(keys[:, None], index.hashes[None, chunk], out=work[:, : len(there)])
            )
            near = np.flatnonzero((bits <= distance).ravel())  # much faster than nonzero of two dimensions
            one, other = np.divmod(near, len(there))
            keep = parts[one] != there[other]
            one, other = one[keep], other[keep]
            if not len(one):
                continue
            anchor, moment = rows[one], begin + other
            nearest = np.lexsort((bits[one, other], index.owner[moment], anchor))
            anchor, moment = anchor[nearest], moment[nearest]
            pair = np.column_stack([anchor, index.owner[moment]])
            new = np.concatenate([[True], (pair[1:] != pair[:-1]).any(axis=1)])
            found.append(_rows(index, anchor[new], moment[new], mirrored))
    return np.vstack(found)


def _rows(
    index: _Index, anchor: NDArray[np.int64], moment: NDArray[np.int64], mirrored: int
) -> NDArray[np.int64]:
    first, second = index.owner[anchor], index.owner[moment]
    offset = index.place[moment] - index.place[anchor]
    swap = first > second
    ends = np.sort(np.column_stack([first, second]), axis=1)
    return np.column_stack([ends, np.full(len(ends), mirrored), np.where(swap, -offset, offset)])


def _candidates(rows: NDArray[np.int64]) -> list[Candidate]:
    if not len(rows):
        return []
    new = np.flatnonzero(np.concatenate([[True], (rows[1:, :3] != rows[:-1, :3]).any(axis=1)]))
    return [
        Candidate(int(same[0, 0]), int(same[0, 1]), bool(same[0, 2]), tuple(same[:, 3].tolist()))
        for same in np.split(rows, new[1:])
    ]


def bit_count(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return how many bits are set in each word."""
    if hasattr(np, "bitwise_count"):
        counts: NDArray[np.uint8] = np.bitwise_count(words)
        return counts
    # numpy before 2.0
    return _BYTES[words.view(np.uint8)].reshape(*words.shape, 8).sum(axis=-1, dtype=np.uint8)


_BYTES = np.array([bin(byte).count("1") for byte in range(256)], dtype=np.uint8)
