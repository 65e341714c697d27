"""Results of k folds: one table a fold, and all test items pooled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from kinema.errors import DataError
from kinema.evaluation.metrics import measure
from kinema.evaluation.scores import Scores


def pool_folds(folds: Sequence[Scores]) -> Scores:
    """Put the test items of all folds into one table, each tested once by the model that had not seen it.

    A further column `fold` counts from 1. Raises `DataError` when folds differ in classes or unit, or test an
    item twice.
    """
    if not folds:
        raise DataError("there are no folds to pool")
    classes, unit = folds[0].classes, folds[0].unit
    for number, fold in enumerate(folds, start=1):
        if fold.classes != classes or fold.unit != unit:
            raise DataError(
                f"fold {number} has other classes or another unit than fold 1; train all folds alike"
            )
    table = pd.concat([fold.table.assign(fold=i) for i, fold in enumerate(folds, start=1)], ignore_index=True)
    # Windows of one segment share its key; the same segment in two folds is the mistake.
    key = [c for c in ("video", "start", "end", "label") if c in table]
    tested_in = table.groupby(key, dropna=False)["fold"].nunique()
    if (tested_in > 1).any():
        first = tested_in[tested_in > 1].index[0]
        raise DataError(f"{first[0]}: tested in more than one fold; each item must be held out once")
    return Scores(classes, table, np.concatenate([fold.logits for fold in folds]), unit)


def fold_table(folds: Sequence[Scores], **beside: Sequence[float]) -> pd.DataFrame:
    """One row a fold: `fold, held_out, items, groups, top1, balanced_accuracy, log_loss` and the columns of
    `beside`.

    folds: the test scores of each fold, video level. held_out names its groups.
    beside: further columns, one number a fold, for example `train_top1=[0.99, 1.0, ...]`.
    """
    rows = []
    for number, fold in enumerate(folds, start=1):
        found = measure(fold)
        rows.append(
            {
                "fold": number,
                "held_out": ", ".join(sorted(set(fold.groups.tolist()))),
                "items": found.items,
                "groups": found.groups,
                "top1": found.top1,
                "balanced_accuracy": found.balanced_accuracy,
                "log_loss": found.log_loss,
            }
        )
    table = pd.DataFrame(rows)
    for name, values in beside.items():
        table[name] = list(values)
    return table


def mean_and_deviation(folds: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Mean and standard deviation (n - 1) over folds of every column of rates; each fold counts once,
    whatever its size.
    """
    skip = {"fold", "items", "groups"}
    found = {}
    for name in folds.columns:
        if name in skip or not pd.api.types.is_numeric_dtype(folds[name]):
            continue
        values = folds[name].dropna().to_numpy(dtype=np.float64)
        if len(values):
            deviation = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
            found[str(name)] = {"mean": float(values.mean()), "sd": deviation}
    return found
