"""Numbers of a classification: accuracy, per-class precision and recall, the confusion matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from kinema.errors import DataError
from kinema.evaluation.calibration import brier_score, expected_calibration_error
from kinema.evaluation.scores import Scores


@dataclass(frozen=True)
class Metrics:
    """What `measure` found. Rates are fractions from 0 to 1.

    per_class: one row a class: `class, precision, recall, f1, support, predicted`; NaN where a rate is
        undefined (no item of the class: recall; never predicted: precision; neither: F1).
    confusion: `(K, K)` counts, rows the truth, columns the prediction.
    macro, weighted: `precision, recall, f1` averaged over the classes that the split holds, plainly or by
        support; a class that is present but never predicted counts with precision 0.
    absent: classes without an item here. They are left out of the averages.
    """

    unit: str
    items: int
    groups: int
    top1: float
    top5: float
    top5_k: int
    balanced_accuracy: float
    log_loss: float
    brier: float
    ece: float
    macro: dict[str, float]
    weighted: dict[str, float]
    per_class: pd.DataFrame
    confusion: NDArray[np.int64]
    absent: list[str]


def measure(scores: Scores, *, temperature: float = 1.0) -> Metrics:
    """Compute every number of one table of scores. Raises `DataError` when it is empty.

    Balanced accuracy is the mean recall over the classes present (Brodersen et al. 2010). `top5` counts
    min(5, K) classes.
    """
    if not len(scores):
        raise DataError("there is nothing to measure: no item was scored")
    targets, predictions = scores.targets, scores.predictions
    labels = np.arange(len(scores.classes))
    precision, recall, f1, support = precision_recall_fscore_support(
        targets, predictions, labels=labels, average=None, zero_division=np.nan
    )
    confusion = confusion_matrix(targets, predictions, labels=labels).astype(np.int64)
    present = support > 0
    rates = {"precision": np.nan_to_num(precision), "recall": recall, "f1": f1}
    probabilities = scores.probabilities(temperature)
    k = min(5, len(labels))
    return Metrics(
        unit=scores.unit,
        items=len(scores),
        groups=len(np.unique(scores.groups)),
        top1=float((targets == predictions).mean()),
        top5=top_k_accuracy(scores, k),
        top5_k=k,
        balanced_accuracy=float(recall[present].mean()),
        log_loss=log_loss(scores, temperature=temperature),
        brier=brier_score(probabilities, targets),
        ece=expected_calibration_error(probabilities, targets),
        macro={name: float(values[present].mean()) for name, values in rates.items()},
        weighted={
            name: float(np.average(values[present], weights=support[present]))
            for name, values in rates.items()
        },
        per_class=pd.DataFrame(
            {
                "class": scores.classes,
                "precision": precision,
                "recall": recall,
                "f1": f1,
                "support": support.astype(int),
                "predicted": confusion.sum(axis=0),
            }
        ),
        confusion=confusion,
        absent=[name for name, there in zip(scores.classes, present, strict=True) if not there],
    )


def top_k_accuracy(scores: Scores, k: int) -> float:
    """Return the share of items whose true class is among the k highest scores (of equals, the earlier class
    counts).
    """
    order = np.argsort(-scores.logits, axis=1, kind="stable")[:, :k]
    return float((order == scores.targets[:, None]).any(axis=1).mean())


def log_loss(scores: Scores, *, temperature: float = 1.0) -> float:
    """Return the mean negative log-likelihood of the truth, in nats."""
    log_p = scores.log_probabilities(temperature)
    return float(-log_p[np.arange(len(scores)), scores.targets].mean())


def normalise_rows(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Divide each row of a confusion matrix by its sum, so that the diagonal is recall; NaN for a class
    without items.
    """
    total = confusion.sum(axis=1, keepdims=True).astype(np.float64)
    return np.divide(confusion, total, out=np.full(confusion.shape, np.nan), where=total > 0)
