"""Every number against a hand calculation or scikit-learn on a table small enough to check by eye."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import classification_report
from sklearn.metrics import log_loss as sklearn_log_loss

from kinema.errors import DataError
from kinema.evaluation.baselines import majority_class
from kinema.evaluation.cross_validation import fold_table, mean_and_deviation, pool_folds
from kinema.evaluation.metrics import measure, normalise_rows, top_k_accuracy
from kinema.evaluation.scores import Scores


def answers(truth: list[int], said: list[int], classes: int, fold: int = 0) -> Scores:
    names = [f"c{i}" for i in range(classes)]
    table = pd.DataFrame({"video": [f"f{fold}v{i}" for i in range(len(truth))], "start": 0.0, "end": 1.0})
    table["label"], table["split"] = [names[t] for t in truth], "test"
    table["group"] = [f"f{fold}g{i}" for i in range(len(truth))]
    return Scores(names, table, np.eye(classes)[said] * 2.0, "video")


def test_rates_by_hand() -> None:
    # Truth 0 0 0 0 1 1 2; answers 0 0 0 1 1 0 2.
    found = measure(answers([0, 0, 0, 0, 1, 1, 2], [0, 0, 0, 1, 1, 0, 2], 3))
    assert found.confusion.tolist() == [[3, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert found.top1 == pytest.approx(5 / 7)
    assert found.balanced_accuracy == pytest.approx((3 / 4 + 1 / 2 + 1) / 3)
    assert found.per_class["precision"].tolist() == pytest.approx([0.75, 0.5, 1.0])
    assert found.per_class["recall"].tolist() == pytest.approx([0.75, 0.5, 1.0])
    assert found.per_class["support"].tolist() == [4, 2, 1]
    assert found.macro["f1"] == pytest.approx(0.75)
    assert found.weighted["recall"] == pytest.approx(5 / 7)
    assert (found.items, found.groups, found.top5_k, found.top5) == (7, 7, 3, 1.0)


def test_averages_and_log_loss_equal_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    truth, scores = rng.integers(0, 4, 60), rng.normal(size=(60, 4))
    names = ["c0", "c1", "c2", "c3"]
    table = answers(truth.tolist(), truth.tolist(), 4).table
    found = measure(Scores(names, table, scores, "video"))
    theirs = classification_report(truth, scores.argmax(axis=1), output_dict=True)
    for mine, name in ((found.macro, "macro avg"), (found.weighted, "weighted avg")):
        assert mine["precision"] == pytest.approx(theirs[name]["precision"])
        assert mine["f1"] == pytest.approx(theirs[name]["f1-score"])
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert found.log_loss == pytest.approx(sklearn_log_loss(truth, probabilities))


def test_a_class_without_items_is_left_out_and_named_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measure(answers([0, 0, 1], [0, 2, 1], 4))
    assert found.absent == ["c2", "c3"]
    assert found.balanced_accuracy == pytest.approx(0.75)
    assert found.macro["recall"] == pytest.approx(0.75)
    recall, precision, f1 = (found.per_class[name].to_numpy() for name in ("recall", "precision", "f1"))
    assert np.isnan(recall[[2, 3]]).all()
    assert precision[2] == 0.0
    assert np.isnan([precision[3], f1[3]]).all()


def test_a_present_class_that_is_never_answered_counts_as_zero() -> None:
    found = measure(answers([0, 1], [0, 0], 2))
    assert found.macro == pytest.approx({"precision": 0.25, "recall": 0.5, "f1": 1 / 3})


def test_top_k_counts_the_k_highest_and_breaks_ties_by_class_order() -> None:
    scores = answers([2, 2, 0], [0, 0, 0], 3)
    scores = Scores(scores.classes, scores.table, np.array([[3.0, 2, 1], [3, 1, 2], [1, 1, 1]]), "video")
    assert top_k_accuracy(scores, 1) == pytest.approx(1 / 3)
    assert top_k_accuracy(scores, 2) == pytest.approx(2 / 3)


def test_rows_of_the_normalised_matrix_are_recalls() -> None:
    shares = normalise_rows(np.array([[3, 1], [0, 0]]))
    assert shares[0].tolist() == [0.75, 0.25]
    assert np.isnan(shares[1]).all()


def test_majority_class_is_that_of_training_even_when_test_differs() -> None:
    test = answers([0, 1, 1, 1], [0, 0, 0, 0], 2)
    baseline = majority_class(["c0", "c0", "c1"], test)
    assert measure(baseline).top1 == 0.25
    assert baseline.probabilities()[0] == pytest.approx([2 / 3, 1 / 3])
    with pytest.raises(DataError, match="no training item"):
        majority_class([], test)


def test_nothing_to_measure_is_an_error() -> None:
    with pytest.raises(DataError, match="nothing to measure"):
        measure(answers([0], [0], 2).take([]))


def test_folds_are_pooled_once_and_averaged_by_fold() -> None:
    one, two = answers([0, 1], [0, 1], 2, fold=1), answers([0, 1, 1, 1], [1, 1, 1, 0], 2, fold=2)
    pooled = pool_folds([one, two])
    assert measure(pooled).top1 == pytest.approx(4 / 6)
    assert pooled.table["fold"].tolist() == [1, 1, 2, 2, 2, 2]
    table = fold_table([one, two], train_top1=[1.0, 0.9])
    assert table["held_out"].tolist() == ["f1g0, f1g1", "f2g0, f2g1, f2g2, f2g3"]
    found = mean_and_deviation(table)
    # Folds 1.0 and 0.5: mean 0.75, deviation 0.5 / sqrt(2).
    assert found["top1"] == pytest.approx({"mean": 0.75, "sd": 0.353553}, abs=1e-6)
    assert found["train_top1"]["mean"] == pytest.approx(0.95)
    assert "items" not in found
    with pytest.raises(DataError, match=r"f1v0: tested in more than one fold"):
        pool_folds([one, one])
