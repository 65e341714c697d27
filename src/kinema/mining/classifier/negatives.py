"""What is none of the classes: half drawn at random, half those that a classifier would take for one of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NONE = "none of these"
"""The class of pictures that show none of the others; it is never mined."""


def choose_negatives(
    positives: NDArray[np.floating],
    targets: Sequence[int],
    candidates: NDArray[np.floating],
    count: int,
    seed: int = 0,
) -> list[int]:
    """Return the rows of `candidates` `(M, D)` to learn "none of these" from, at most `count`, ascending.

    One half is drawn at random. The other half are the hard ones: what a logistic regression of the classes (`positives`
    `(N, D)` of classes `targets`) and the first half is surest to be one of the classes (bootstrapping: Sung and Poggio,
    "Example-based learning for view-based human face detection", PAMI 1998).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    order = np.random.default_rng(seed).permutation(len(candidates))
    hard = count // 2 if count < len(candidates) and len(targets) else 0
    first, rest = order[: count - hard], order[count - hard :]
    if not hard:
        return sorted(first.tolist())
    none = max(targets) + 1
    learned = np.concatenate([positives, candidates[first]]).astype(np.float64)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500, class_weight="balanced"))
    model.fit(learned, np.array([*targets, *[none] * len(first)]))
    # The classes are sorted, so that the last one is none of them.
    taken_for_none = model.predict_proba(candidates[rest].astype(np.float64))[:, -1]
    chosen = rest[np.argsort(taken_for_none, kind="stable")[:hard]]
    return sorted([*first.tolist(), *chosen.tolist()])
