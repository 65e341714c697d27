"""What a label of a clip might teach: how unsure a model is, whether its neighbours agree, how far it is from what is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LEAST = 1e-12
_ROWS = 512  # rows of distances at a time


def margin(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return 1 minus the lead of the most probable class over the second, of `(N, K)`: 0 (sure) to 1 (a tie).

    >>> margin(np.array([[0.5, 0.5, 0.0], [0.9, 0.1, 0.0]])).round(2).tolist()
    [1.0, 0.2]
    """
    if probabilities.shape[1] < 2:
        return np.zeros(len(probabilities))
    ordered = np.sort(probabilities.astype(np.float64), axis=1)
    return 1 - (ordered[:, -1] - ordered[:, -2])


def entropy(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the entropy of `(N, K)` over the logarithm of K: 0 (sure) to 1 (all classes alike)."""
    p = probabilities.astype(np.float64)
    return np.asarray(-(p * np.log(np.maximum(p, _LEAST))).sum(axis=1) / max(_LEAST, np.log(p.shape[1])))


def disagreement(
    probabilities: NDArray[np.floating], neighbours: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return how far what is said of clips `(N, K)` is from the mean of what is said of their neighbours `(N, K)`.

    The Jensen-Shannon divergence in bits: 0 (the same) to 1 (no class in common).
    """
    p, q = probabilities.astype(np.float64), neighbours.astype(np.float64)
    return np.clip(_bits((p + q) / 2) - (_bits(p) + _bits(q)) / 2, 0.0, 1.0)


def unit_rows(
    features: NDArray[np.floating], centre: NDArray[np.floating] | None = None
) -> NDArray[np.float32]:
    """Return rows `(N, D)` without `centre` (default: without their mean), of length 1; the differences are directions then."""
    rows = features.astype(np.float32) - (features.mean(axis=0) if centre is None else centre)
    found: NDArray[np.float32] = (
        rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    ).astype(np.float32)
    return found


def nearest(
    rows: NDArray[np.float32], others: NDArray[np.float32], count: int, *, same: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return for rows `(N, D)` of length 1 the `count` nearest of `others` `(M, D)`, nearest first, and their distances.

    `same`: both are the same rows, and none is its own neighbour. Distances are Euclidean, 0 to 2.
    """
    count = min(count, len(others) - int(same))
    places = np.zeros((len(rows), max(0, count)), np.int64)
    distances = np.zeros((len(rows), max(0, count)))
    if count < 1:
        return places, distances
    for begin in range(0, len(rows), _ROWS):
        part = rows[begin : begin + _ROWS]
        apart = np.sqrt(np.maximum(0.0, 2 - 2 * (part @ others.T).astype(np.float64)))
        if same:
            apart[np.arange(len(part)), np.arange(begin, begin + len(part))] = np.inf
        found = np.argpartition(apart, count - 1, axis=1)[:, :count]
        near = np.take_along_axis(apart, found, axis=1)
        order = np.argsort(near, axis=1, kind="stable")
        places[begin : begin + len(part)] = np.take_along_axis(found, order, axis=1)
        distances[begin : begin + len(part)] = np.take_along_axis(near, order, axis=1)
    return places, distances


def ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the place of each value from 0 (lowest) to 1 (highest), ties alike, so that unlike measures can be added.

    >>> ranks(np.array([3.0, 1.0, 1.0, 9.0])).round(3).tolist()
    [0.667, 0.167, 0.167, 1.0]
    """
    from scipy.stats import rankdata

    if len(values) < 2:
        return np.zeros(len(values))
    return np.asarray((rankdata(values) - 1) / (len(values) - 1))


def _bits(p: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(-(p * np.log2(np.maximum(p, _LEAST))).sum(axis=1))
