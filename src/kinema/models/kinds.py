"""Which kinds of evidence a head listens to: decided on groups of the training videos that were held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

_FOLDS = 5
_MOST = 2000  # videos compared
_MARGIN = 2.0  # standard errors by which fewer kinds must be better than all


def choose_kinds(
    evidence: Mapping[str, NDArray[np.floating]], targets: Sequence[int], groups: Sequence[str]
) -> tuple[str, ...]:
    """Return the kinds to use: all of them, unless some alone do better by more than two standard errors.

    `evidence` holds an array `(N, D)` a kind; `targets` and `groups` are those of the N training videos. Each set of
    kinds is scored by a linear support vector machine in up to five folds that divide no group. With fewer than four
    groups, or a class in one group only, there is nothing to decide by: all.
    """
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.svm import SVC

    everything = tuple(evidence)
    rows = np.arange(len(targets))[:: max(1, -(-len(targets) // _MOST))]
    labels, sources = np.asarray(targets)[rows], np.asarray(groups)[rows]
    counts = [len(set(sources[labels == label])) for label in set(labels.tolist())]
    if len(everything) < 2 or len(counts) < 2 or min(counts) < 2 or len(set(sources.tolist())) < 4:
        return everything
    kernels = {kind: values[rows] @ values[rows].T for kind, values in evidence.items()}
    divide = StratifiedGroupKFold(min(_FOLDS, *counts), shuffle=True, random_state=0)
    divisions = list(divide.split(rows, labels, sources))
    right: dict[tuple[str, ...], NDArray[np.bool_]] = {}
    for size in range(len(everything), 0, -1):
        for kinds in combinations(everything, size):
            kernel = np.mean([kernels[kind] for kind in kinds], axis=0)
            right[kinds] = np.zeros(len(rows), bool)
            for train, held in divisions:
                if len(set(labels[train].tolist())) < 2:
                    return everything
                machine = SVC(kernel="precomputed", C=10.0).fit(kernel[np.ix_(train, train)], labels[train])
                right[kinds][held] = machine.predict(kernel[np.ix_(held, train)]) == labels[held]
    best = max(right, key=lambda kinds: (right[kinds].mean(), len(kinds)))
    differences = right[best].astype(float) - right[everything].astype(float)
    error = float(differences.std() / np.sqrt(len(rows)))
    return best if differences.mean() > _MARGIN * error else everything
