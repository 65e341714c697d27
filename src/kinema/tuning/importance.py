"""Which settings mattered: permutation importance in a forest that predicts a trial's score from its settings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_TREES = 150
_LEAST = 12
_KNOWN = ("trial", "state", "accuracy", "loss", "seconds", "parameters", "error")


@dataclass
class Importance:
    """`shares` by setting, summing to 1, largest first; `explained` is the forest's out-of-bag R²: below 0.1 believe nothing."""

    shares: dict[str, float]
    explained: float


def setting_names(table: pd.DataFrame) -> list[str]:
    """Return the columns of a trial table that are settings and differ between trials."""
    names = [name for name in table.columns if name not in _KNOWN]
    return [name for name in names if table[name].map(str).nunique() > 1]


def importance(table: pd.DataFrame, seed: int = 0) -> Importance | None:
    """Compute the importance of every setting of a trial table; None with fewer than 12 complete trials or no variation.

    A setting that a trial does not have counts as a value of its own, so that settings of single heads take part.
    Permutation importance: Breiman, Random Forests, Machine Learning 45, 2001; on out-of-bag trials.
    """
    from sklearn.ensemble import RandomForestRegressor

    complete = table[table["state"] == "complete"].reset_index(drop=True)
    names = setting_names(complete)
    score = complete["accuracy"].to_numpy(dtype=float)
    if len(complete) < _LEAST or not names or np.ptp(score) == 0:
        return None
    columns = [_columns(complete[name]) for name in names]
    inputs = np.concatenate(columns, axis=1)
    forest = RandomForestRegressor(
        _TREES, min_samples_leaf=2, oob_score=True, bootstrap=True, random_state=seed, n_jobs=1
    ).fit(inputs, score)
    rng = np.random.default_rng(seed)
    rises = np.zeros(len(names))
    for tree, drawn in zip(forest.estimators_, forest.estimators_samples_, strict=True):
        out = np.setdiff1d(np.arange(len(score)), drawn)
        if len(out) < 2:
            continue
        own = inputs[out]
        error = np.square(tree.predict(own) - score[out]).mean()
        at = 0
        for number, part in enumerate(columns):
            width = part.shape[1]
            shuffled = own.copy()
            shuffled[:, at : at + width] = own[rng.permutation(len(out)), at : at + width]
            rises[number] += np.square(tree.predict(shuffled) - score[out]).mean() - error
            at += width
    rises = rises.clip(min=0)
    shares = rises / rises.sum() if rises.sum() > 0 else rises
    order = np.argsort(-shares, kind="stable")
    return Importance({names[i]: float(shares[i]) for i in order}, float(forest.oob_score_))


def _columns(values: pd.Series) -> NDArray[np.float64]:
    """Return a number column (absent as below all others), or one column a word."""
    numbers = pd.to_numeric(values.map(lambda v: v if isinstance(v, int | float) else None))
    if numbers.notna().sum() == values.notna().sum() and not values.map(lambda v: isinstance(v, bool)).any():
        found = numbers.to_numpy(dtype=float)
        low, high = np.nanmin(found), np.nanmax(found)
        if low > 0 and high / low > 20:
            found = np.log(found)
            low = np.log(low)
        return np.where(np.isnan(found), low - 1 - abs(low), found)[:, None]
    words = values.map(str)
    return np.stack([(words == word).to_numpy(dtype=float) for word in sorted(words.unique())], axis=1)
