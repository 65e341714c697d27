"""Stretches of one class, and the subtitles that are made of them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from kinema.evaluation.segments import LabelledStretch, segments_of
from kinema.evaluation.subtitles import web_vtt


def test_segments_are_runs_of_the_top_class_and_the_last_ends_with_the_video() -> None:
    times = np.array([0.0, 0.5, 1.0, 1.5, 2.0])
    rows = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.4, 0.6], [0.1, 0.9]])
    found = segments_of(times, rows, ["run", "walk"], end=2.25)
    assert [(s.label, s.start, s.end) for s in found] == [("run", 0.0, 1.0), ("walk", 1.0, 2.25)]
    assert found[0].mean == pytest.approx(0.8)
    assert (found[1].peak, found[1].peak_time) == (0.9, 2.0)


def test_a_short_run_goes_to_the_neighbour_that_is_more_probable_during_it() -> None:
    times = np.arange(8) * 0.25
    rows = np.array(
        [[0.8, 0.1, 0.1]] * 3
        + [[0.1, 0.6, 0.3]]
        + [[0.1, 0.1, 0.8]] * 4  # the second class for a quarter second
    )
    found = segments_of(times, rows, ["a", "b", "c"], min_seconds=0.5)
    assert [(s.label, s.start, s.end) for s in found] == [("a", 0.0, 0.75), ("c", 0.75, 2.0)]
    assert found[1].mean == pytest.approx((0.3 + 4 * 0.8) / 5)


def test_a_flicker_inside_a_run_disappears_and_a_run_of_just_the_minimum_stays() -> None:
    labels = [0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0]
    rows = np.eye(2)[labels] * 0.8 + 0.1
    found = segments_of(np.arange(11) * 0.1, rows, ["a", "b"], min_seconds=0.2)
    assert [(s.label, round(s.start, 3), round(s.end, 3)) for s in found] == [
        ("a", 0.0, 0.7),
        ("b", 0.7, 0.9),
        ("a", 0.9, 1.1),
    ]


def test_a_restless_hour_is_merged_quickly_and_without_gaps() -> None:
    rng = np.random.default_rng(0)
    rows = rng.dirichlet(np.ones(5), 30_000)
    found = segments_of(np.arange(30_000) / 8, rows, list("abcde"), min_seconds=0.5)
    assert (found[0].start, found[-1].end) == (0.0, 3750.0)
    for left, right in pairwise(found):
        assert left.end == right.start and left.label != right.label
    assert min(s.end - s.start for s in found) >= 0.5


def test_one_row_alone_and_no_row() -> None:
    assert segments_of(np.zeros(0), np.zeros((0, 2)), ["a", "b"]) == []
    (only,) = segments_of(np.array([0.0]), np.array([[0.3, 0.7]]), ["a", "b"], end=0.1)
    assert (only.label, only.start, only.end) == ("b", 0.0, 0.1)


def test_subtitles_are_valid_for_long_videos_and_odd_names(parse_vtt: Any) -> None:
    cues = parse_vtt(
        web_vtt(
            [
                LabelledStretch(0.0, 1.0, "R&B <dance> --> x\n\ny", 0.5, 0.5, 0.0),
                LabelledStretch(1.0, 1.0, "instant", 1.0, 1.0, 1.0),
                LabelledStretch(3599.9996, 7322.5, "walk", 0.25, 0.5, 3600.0),
            ]
        )
    )
    assert cues == [
        (0.0, 1.0, "R&B <dance> --> x y 50 %"),
        (1.0, 1.001, "instant 100 %"),
        (3600.0, 7322.5, "walk 25 %"),
    ]
