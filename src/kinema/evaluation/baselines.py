"""What a result has to beat before it means anything."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kinema.errors import DataError
from kinema.evaluation.scores import Scores

MAJORITY = "majority class"
FRAME_AVERAGING = "frame averaging"


def majority_class(train_labels: Iterable[str], scores: Scores) -> Scores:
    """Score the items of `scores` by how frequent each class is in training, without looking at them.

    The prediction is the most frequent class of the training labels (of equals, the first in class order), as
    `sklearn.dummy.DummyClassifier(strategy="prior")` does. Raises `DataError` when no training label is a
    known class.
    """
    index = {name: i for i, name in enumerate(scores.classes)}
    known = [index[str(label)] for label in train_labels if str(label) in index]
    if not known:
        raise DataError(
            "no training item has a known class, so there is no majority class; check the train split"
        )
    share = np.bincount(known, minlength=len(index)) / len(known)
    logits = np.log(np.maximum(share, 1e-12))
    return Scores(scores.classes, scores.table, np.tile(logits, (len(scores), 1)), scores.unit)
