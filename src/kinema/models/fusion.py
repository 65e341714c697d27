"""One answer of the answers to several clips of a video: their mean, or a mean in which sure ones weigh more."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from kinema.errors import UsageError, closest

Fusion = Literal["average", "sci"]


def sparsity_concentration(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the sparsity concentration index of each row: `(..., K) -> (...)`, 0 (all alike) to 1 (one class is sure).

    SCI(p) = (K max p - 1) / (K - 1) (Sun et al., Factorized Spatio-Temporal Convolutional Networks, ICCV 2015,
    arXiv 1510.00562, section 3.4).

    >>> sparsity_concentration(np.array([[0.5, 0.5], [1.0, 0.0]])).tolist()
    [0.0, 1.0]
    """
    classes = probabilities.shape[-1]
    index: NDArray[np.float64] = (classes * probabilities.max(-1).astype(np.float64) - 1) / max(
        1, classes - 1
    )
    return np.clip(index, 0, 1)


def fuse(probabilities: NDArray[np.floating], method: Fusion = "average") -> NDArray[np.float64]:
    """Return the probabilities `(K,)` of a video whose clips have `(n, K)`, or whose n clips have m crops: `(n, m, K)`.

    `average` is the mean of all. `sci` weighs each clip by its sparsity concentration index; with crops, as in the paper,
    it weighs the crops of each clip and takes the largest answer of any clip for each class, scaled to a sum of 1.
    Where nothing is surer than chance, it is the mean.

    >>> fuse(np.array([[0.5, 0.5], [0.9, 0.1]]), "sci").round(3).tolist()
    [0.9, 0.1]

    Raises `UsageError` for an unknown method, and for no clips.
    """
    if method not in get_args(Fusion):
        raise UsageError(f"unknown fusion '{method}': {closest(method, list(get_args(Fusion)))}")
    if probabilities.ndim not in (2, 3) or 0 in probabilities.shape:
        raise UsageError(
            f"probabilities of shape {probabilities.shape} cannot be fused: give (clips, classes)"
        )
    if method == "average":
        mean: NDArray[np.float64] = probabilities.reshape(-1, probabilities.shape[-1]).mean(
            0, dtype=np.float64
        )
        return mean
    if probabilities.ndim == 2:
        return _weighted(probabilities)
    largest = np.stack([_weighted(clip) for clip in probabilities]).max(0)
    scaled: NDArray[np.float64] = largest / largest.sum()
    return scaled


def _weighted(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    weights = sparsity_concentration(rows)
    if not weights.sum() > 1e-9:
        weights = np.ones(len(rows))
    found: NDArray[np.float64] = (weights[:, None] * rows).sum(0) / weights.sum()
    return found
