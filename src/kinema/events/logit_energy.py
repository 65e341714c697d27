"""Energy of logits: how little a classifier knows of what it sees, whichever class it then names."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def energy(logits: NDArray[np.floating[Any]], temperature: float = 1.0) -> NDArray[np.float32]:
    """Return -T log sum exp(logits / T) over the last axis: logits `(..., K)` give `(...)`.

    High (near 0 or above) where nothing fits, low where some class fits well; Liu et al., "Energy-based
    Out-of-distribution Detection", NeurIPS 2020, equation 4. Computed in float64 around the largest logit, so that
    it neither overflows nor vanishes; logits that are not numbers give NaN.

    >>> round(float(energy(np.array([1000.0, 1000.0]))), 3)
    -1000.693
    """
    scaled = np.asarray(logits, np.float64) / temperature
    largest = scaled.max(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):  # infinite logits
        total = np.log(np.exp(scaled - largest).sum(axis=-1))
    return np.asarray(-temperature * (largest[..., 0] + total), np.float32)
