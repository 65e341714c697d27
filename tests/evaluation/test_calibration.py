"""Calibration by hand, and a temperature that is recovered from data made with it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from kinema.errors import DataError
from kinema.evaluation.calibration import (
    brier_score,
    ece_by_chance,
    expected_calibration_error,
    fit_temperature,
    reliability,
)
from kinema.evaluation.scores import Scores


def scores_of(logits: np.ndarray, targets: np.ndarray) -> Scores:
    names = [f"c{i}" for i in range(logits.shape[1])]
    table = pd.DataFrame({"video": [f"v{i}" for i in range(len(targets))], "start": 0.0, "end": 1.0})
    table["label"], table["split"], table["group"] = [names[t] for t in targets], "valid", "g"
    return Scores(names, table, logits, "clip")


def test_ece_by_hand() -> None:
    # Bins of 1/15: 0.9 twice (one right), 0.6 twice (both right): (2 |0.5 - 0.9| + 2 |1 - 0.6|) / 4.
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.4, 0.6]])
    targets = np.array([0, 1, 0, 1])
    assert expected_calibration_error(probabilities, targets) == pytest.approx(0.4)
    table = reliability(probabilities, targets)
    assert table.count.tolist() == [0] * 8 + [2] + [0] * 4 + [2, 0]
    assert table.accuracy[13] == 0.5
    assert np.isnan(table.accuracy[0])


def test_bins_hold_their_upper_edge() -> None:
    # As in Guo et al.: ((m - 1) / M, m / M]. 0.5 belongs to the lower of two bins, 1.0 to the last.
    table = reliability(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([0, 0]), bins=2)
    assert table.count.tolist() == [1, 1]


def test_brier_by_hand() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.0, 1.0, 0.0]])
    assert brier_score(probabilities, np.array([0, 0])) == pytest.approx((0.09 + 0.04 + 0.01 + 2.0) / 2)


def test_temperature_by_hand() -> None:
    # Margin 2, right 3 times in 4: the best probability is 0.75, so 2 / T = log 3.
    logits = np.array([[2.0, 0.0]] * 4)
    found = fit_temperature(scores_of(logits, np.array([0, 0, 0, 1])))
    assert found.temperature == pytest.approx(2 / np.log(3), rel=1e-4)
    assert found.log_loss_after == pytest.approx(-(3 * np.log(0.75) + np.log(0.25)) / 4)
    assert found.log_loss_after < found.log_loss_before


def test_a_known_temperature_is_recovered_and_improves_ece() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=2, size=(8000, 5))
    share = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    targets = np.array([rng.choice(5, p=p) for p in share])
    sharp = scores_of(logits * 3.0, targets)
    found = fit_temperature(sharp)
    assert found.temperature == pytest.approx(3.0, rel=0.04)
    before = expected_calibration_error(sharp.probabilities(), targets)
    after = expected_calibration_error(sharp.probabilities(found.temperature), targets)
    assert before > 0.1
    assert after < 0.02


def test_all_right_keeps_the_temperature_at_one() -> None:
    found = fit_temperature(scores_of(np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([0, 1])))
    assert found.temperature == 1.0
    assert "every validation item is right" in found.note


def test_no_validation_items_is_an_error() -> None:
    with pytest.raises(DataError, match="no validation item"):
        fit_temperature(scores_of(np.zeros((0, 2)), np.zeros(0, dtype=int)))


def test_perfect_calibration_shows_an_ece_on_few_items() -> None:
    few = np.tile([0.75, 0.25], (16, 1))
    # One bin, 16 items: the mean of |binomial(16, 0.75) / 16 - 0.75| is 0.0844 (sum over its mass).
    from math import comb

    mass = [comb(16, k) * 0.75**k * 0.25 ** (16 - k) for k in range(17)]
    expected = sum(m * abs(k / 16 - 0.75) for k, m in enumerate(mass))
    mean, upper = ece_by_chance(few, draws=4000)
    assert mean == pytest.approx(expected, abs=0.004)
    assert upper > 0.15
    assert ece_by_chance(np.tile([0.75, 0.25], (1600, 1)))[0] < 0.012
