"""Which clips to label next: the most uncertain, those whose neighbours disagree, those far from all known, or a mix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinema.errors import UsageError, closest
from kinema.mining.active.measures import disagreement, entropy, margin, nearest, ranks, unit_rows


@dataclass(frozen=True)
class Strategy:
    """What is weighed: ranks of measures are added, each between 0 and 1 times its weight.

    - `uncertainty`: margin or entropy of the probabilities; `disagreement`: with neighbours in feature space, labelled or not.
    - `coverage`: distance to the nearest clip that is labelled or chosen; alone it is the greedy k-centre of Sener and Savarese,
      "Active Learning for Convolutional Neural Networks: A Core-Set Approach", ICLR 2018.
    - `spread`: a clip that is nearer to one chosen in this batch than clips of the pool commonly are to each other gives way
      to others, by as much as it is nearer.
    """

    uncertainty: float = 0.0
    disagreement: float = 0.0
    coverage: float = 0.0
    spread: bool = False


STRATEGIES = {
    # benchmarks/active.py: no sum of measures beats uncertainty alone, which takes twins where a pool has them.
    "mix": Strategy(uncertainty=1.0, spread=True),
    "uncertainty": Strategy(uncertainty=1.0),
    "disagreement": Strategy(disagreement=1.0),
    "coverage": Strategy(coverage=1.0),
    "all": Strategy(uncertainty=1.0, disagreement=1.0, coverage=1.0),
}
MEASURES = {"margin": margin, "entropy": entropy}
NEIGHBOURS = 5


@dataclass(frozen=True)
class Pick:
    """A clip of the pool, by its row: the measures, each 0 to 1, and the `score` by which it was chosen.

    `neighbours`: rows of its nearest clips, those of the labelled counted on behind those of the pool.
    """

    row: int
    score: float
    uncertainty: float
    disagreement: float
    coverage: float
    neighbours: tuple[int, ...]


def choose_next(
    features: NDArray[np.floating],
    probabilities: NDArray[np.floating],
    known: NDArray[np.floating],
    targets: Sequence[int],
    count: int,
    *,
    strategy: str = "mix",
    measure: str = "margin",
    neighbours: int = NEIGHBOURS,
) -> list[Pick]:
    """Return at most `count` clips of a pool to label next, the first one first.

    `features` `(N, D)` and `probabilities` `(N, K)` of the pool; `known` `(M, D)` and `targets`, class numbers, of what is
    labelled, M may be 0. `strategy` is a name of `STRATEGIES`. Distances are measured anew after every pick.

    Raises `UsageError` for an unknown strategy or measure.
    """
    how = check_words(strategy, measure)
    if not len(features):
        return []
    everything = np.concatenate([features, known]).astype(np.float32) if len(known) else features
    rows = unit_rows(everything)
    pool, labelled = rows[: len(features)], rows[len(features) :]
    unsure = MEASURES[measure](probabilities)
    near, apart_by = (found[: len(features)] for found in nearest(rows, rows, neighbours, same=True))
    common = max(1e-9, float(np.median(apart_by[:, 0]))) if apart_by.shape[1] else 1.0
    said = np.concatenate([probabilities, np.eye(probabilities.shape[1])[np.asarray(targets, np.int64)]])
    apart = disagreement(probabilities, said[near].mean(axis=1)) if near.shape[1] else np.zeros(len(pool))
    fixed = how.uncertainty * ranks(unsure) + how.disagreement * ranks(apart)
    distance = _first_distances(pool, labelled)
    scale = max(1e-9, float(distance.max()))
    apart_from_batch = np.full(len(pool), np.inf)
    free = np.ones(len(pool), np.bool_)
    picks: list[Pick] = []
    for _ in range(min(count, len(pool))):
        score = fixed.copy()
        if how.coverage:
            score[free] += how.coverage * ranks(distance[free])
        if how.spread:
            score *= np.minimum(1.0, apart_from_batch / common)
        score[~free] = -np.inf
        best = int(np.argmax(score))
        free[best] = False
        weight = how.uncertainty + how.disagreement + how.coverage
        picks.append(
            Pick(
                best, float(score[best] / weight), float(unsure[best]), float(apart[best]),
                float(min(1.0, distance[best] / scale)), tuple(near[best].tolist()),
            )
        )  # fmt: skip
        to_best = np.sqrt(np.maximum(0.0, 2 - 2 * (pool @ pool[best]).astype(np.float64)))
        distance, apart_from_batch = np.minimum(distance, to_best), np.minimum(apart_from_batch, to_best)
    return picks


def check_words(strategy: str, measure: str) -> Strategy:
    """Return the strategy of a name. Raises `UsageError` for an unknown one, and for an unknown measure."""
    if strategy not in STRATEGIES:
        raise UsageError(f"unknown strategy '{strategy}'; {closest(strategy, list(STRATEGIES))}")
    if measure not in MEASURES:
        raise UsageError(f"unknown measure '{measure}'; {closest(measure, list(MEASURES))}")
    return STRATEGIES[strategy]


def _first_distances(pool: NDArray[np.float32], labelled: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how far each clip is from the nearest labelled one; where there is none, the most typical clip is taken first."""
    if len(labelled):
        _, distances = nearest(pool, labelled, 1)
        return distances[:, 0]
    centre = np.sqrt(np.maximum(0.0, 2 - 2 * (pool @ pool.mean(axis=0)).astype(np.float64)))
    return np.asarray(2 + (centre.max() - centre))
