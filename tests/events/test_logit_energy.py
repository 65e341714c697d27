"""Energy of logits against values worked out by hand and by SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import logsumexp

from kinema.events import energy


def test_energy_by_hand() -> None:
    # -log(e^0 + e^0) = -log 2; with T = 2 and logits 2 log 3, 0: -2 log(3 + 1).
    assert float(energy(np.zeros(2))) == pytest.approx(-math.log(2))
    assert float(energy(np.array([2 * math.log(3), 0.0]), 2.0)) == pytest.approx(-2 * math.log(4))


def test_energy_is_that_of_scipy_for_any_leading_shape() -> None:
    logits = np.random.default_rng(0).normal(0, 20, (3, 5, 7))
    expected = -1.7 * logsumexp(logits / 1.7, axis=-1)
    assert energy(logits, 1.7).shape == (3, 5)
    np.testing.assert_allclose(energy(logits, 1.7), expected, rtol=1e-6)
    assert energy(np.zeros((0, 4), np.float32)).shape == (0,)


def test_large_logits_do_not_overflow_and_nan_stays_nan() -> None:
    assert energy(np.array([[1e4, 0], [-1e4, -1e4]])).tolist() == pytest.approx([-1e4, 1e4 - math.log(2)])
    assert math.isnan(float(energy(np.array([math.nan, 0.0]))))


def test_what_fits_no_class_has_the_higher_energy() -> None:
    assert float(energy(np.array([9.0, 0, 0]))) < float(energy(np.array([1.0, 0.9, 0.8])))
