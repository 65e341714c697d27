"""Timelines made small enough to be looked at, their lanes and chapters."""

from __future__ import annotations

import numpy as np

from kinema.evaluation.segments import LabelledStretch
from kinema.evaluation.subtitles import web_vtt
from kinema.evaluation.timeline_view import lanes, thin, view


def test_chapters_are_web_vtt() -> None:
    segments = [
        LabelledStretch(0.0, 2.04, "hand <-> hand", 0.9, 0.9, 1.0),
        LabelledStretch(2.04, 3725.5, "a & b\n\nc", 0.9, 0.9, 3.0),
        LabelledStretch(5.0, 5.0, "x", 0.9, 0.9, 5.0),
    ]
    assert web_vtt(segments, shares=False) == (
        "WEBVTT\n\n1\n00:00:00.000 --> 00:00:02.040\nhand &lt;-&gt; hand\n\n"
        "2\n00:00:02.040 --> 01:02:05.500\na &amp; b c\n\n3\n00:00:05.000 --> 00:00:05.001\nx\n"
    )
    assert web_vtt([], shares=False) == "WEBVTT\n"


def test_a_timeline_is_thinned_by_its_peaks() -> None:
    times, rows = thin(
        np.arange(6.0), np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6], [0, 1], [1, 0]]), 3
    )
    assert times.tolist() == [0.0, 2.0, 4.0]
    assert rows.tolist() == [[0.8, 0.9], [0.4, 0.7], [1.0, 1.0]]


def test_lanes_are_those_of_the_classes_that_were_seen() -> None:
    rows = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1], [0.55, 0.35, 0.1]])
    drawn = lanes(view(["a", "b", "c"], np.array([0.0, 1.0, 2.0, 3.0]), rows, 4.0), most=2)
    assert [(lane["label"], lane["share"], lane["peak"], lane["peak_time"]) for lane in drawn] == [
        ("a", 0.75, 0.7, 0.0), ("b", 0.25, 0.8, 1.0),
    ]  # fmt: skip
    assert drawn[1]["path"] == (
        "M0.0 100L0.0 80.0L250.0 80.0L250.0 20.0L500.0 20.0L500.0 70.0L750.0 70.0L750.0 65.0L1000.0 65.0L1000.0 100Z"
    )
    (half,) = lanes(view(["a"], np.array([0.0, 1.0]), rows[:2, :1], 4.0, until=2.0))
    assert half["path"] == "M0.0 100L0.0 30.0L250.0 30.0L250.0 90.0L500.0 90.0L500.0 100Z"


def test_colours_are_those_of_the_live_view_while_there_are_enough() -> None:
    rows = np.array([[0.1, 0.2, 0.7], [0.1, 0.1, 0.8]])
    few = view(["a", "b", "c"], np.array([0.0, 1.0]), rows, 2.0)
    assert few["places"] == {"a": 0, "b": 1, "c": 2}
    many = np.zeros((2, 9))
    many[0, 8], many[1, 3] = 0.9, 0.8
    found = view([f"class {k}" for k in range(9)], np.array([0.0, 1.0]), many, 2.0)
    assert [lane["label"] for lane in found["lanes"]][-2:] == ["class 4", "class 8"]
    assert found["places"]["class 8"] == 5  # the last of six lanes
    assert "class 7" not in found["places"]


def test_a_timeline_without_a_row_has_no_lanes() -> None:
    assert view(["a", "b"], np.zeros(0), np.zeros((0, 2)), 3.0)["lanes"] == []
