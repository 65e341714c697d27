"""Smoothing by time: hand-made rows, results worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kinema.errors import UsageError
from kinema.events import EventRules, Smoother

TWO = ["a", "b"]


def smoothed(rules: EventRules, times: list[float], values: list[float]) -> list[float]:
    """Push rows (v, 1 - v); return what becomes of v."""
    smoother = Smoother(rules, TWO)
    return [
        float(smoother.push(time, np.array([value, 1 - value], np.float32))[0])
        for time, value in zip(times, values, strict=True)
    ]


def test_exponential_smoothing_goes_by_time_and_not_by_rows() -> None:
    rules = EventRules("exponential", 1.0)
    # After ln 2 time constants half of the way to a new level is gone, in one step or in two.
    half, quarter = math.log(2), math.log(4)
    assert smoothed(rules, [0, half, quarter], [0, 1, 1]) == pytest.approx([0, 0.5, 0.75])
    assert smoothed(rules, [0, quarter], [0, 1]) == pytest.approx([0, 0.75])


def test_a_constant_stays_exactly_what_it_is() -> None:
    values = smoothed(EventRules("exponential", 0.5), [0.0, 0.1, 0.4, 0.41], [0.7] * 4)
    assert values == [float(np.float32(0.7))] * 4


def test_a_second_row_of_the_same_time_adds_nothing_to_the_exponential() -> None:
    half = math.log(2)
    rules = EventRules("exponential", 1.0)
    assert smoothed(rules, [0, half, half, 2 * half], [0, 1, 0, 0]) == pytest.approx([0, 0.5, 0.5, 0.25])


def test_the_median_is_over_the_rows_of_the_last_seconds() -> None:
    rules = EventRules("median", 0.5)
    # At 0.5 s all of 0, 0.25, 0.5; at 0.75 s those from 0.25 on; at 1.5 s the row alone.
    times, values = [0.0, 0.25, 0.5, 0.75, 1.5], [0.1, 0.9, 0.2, 0.3, 0.6]
    assert smoothed(rules, times, values) == pytest.approx([0.1, 0.5, 0.2, 0.3, 0.6])


def test_medians_of_classes_are_not_made_to_sum_to_1() -> None:
    smoother = Smoother(EventRules("median", 1.0), ["a", "b", "c"])
    rows = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]], np.float32)
    last = [smoother.push(0.1 * number, row) for number, row in enumerate(rows)][-1]
    assert last == pytest.approx([0.1, 0.1, 0.1])


@pytest.mark.parametrize(
    "rules",
    [EventRules("none", 3.0), EventRules("exponential", 0.0), EventRules("median", 0.0)],
    ids=lambda r: r.smoothing,
)
def test_without_smoothing_a_row_is_itself(rules: EventRules) -> None:
    assert smoothed(rules, [0, 0.1, 0.2], [0.25, 0.75, 0.5]) == [0.25, 0.75, 0.5]


@pytest.mark.parametrize("smoothing", ["exponential", "median"])
def test_a_camera_that_was_away_starts_anew(smoothing: str) -> None:
    rules = EventRules(smoothing, 60.0)  # type: ignore[arg-type]
    values = smoothed(rules, [0.0, 0.5, 2.5, 12.5, 13.0], [0.0, 0.0, 0.0, 1.0, 1.0])
    # 2 s are bridged, 10 s are not: without a new start the value at 12.5 s would be far below 1.
    assert values == [0.0, 0.0, 0.0, 1.0, 1.0]


def test_a_camera_of_a_picture_every_ten_seconds_is_not_away() -> None:
    # Only the first of its gaps, of which nothing is known yet, starts anew; exp(-10 / 10) = 0.3679 of the 0 remains.
    values = smoothed(EventRules("exponential", 10.0), [0.0, 10.0, 20.0], [0.5, 0.0, 1.0])
    assert values == pytest.approx([0.5, 0.0, 1 - 0.36788], abs=1e-5)


def test_results_are_arrays_of_their_own() -> None:
    smoother = Smoother(EventRules("exponential", 1.0), TWO)
    row = np.array([1.0, 0.0], np.float32)
    first = smoother.push(0.0, row)
    row[:] = 0.5
    smoother.push(1.0, row)
    assert first.tolist() == [1.0, 0.0] and first.dtype == np.float32


def test_rows_of_another_length_and_times_that_go_back_are_refused() -> None:
    smoother = Smoother(EventRules(), TWO)
    with pytest.raises(UsageError, match=r"shape \(3,\): give one for each of 2 classes"):
        smoother.push(0.0, np.zeros(3, np.float32))
    smoother.push(1.0, np.zeros(2, np.float32))
    with pytest.raises(UsageError, match="in order of time"):
        smoother.push(0.5, np.zeros(2, np.float32))
