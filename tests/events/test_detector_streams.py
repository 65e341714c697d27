"""Streams: their ends, gaps, lag, names and dates of events, days of rows, and what a row costs."""

from __future__ import annotations

import doctest
import importlib
import time
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

from kinema.events import Event, EventDetector, EventRules, LabelRule, events_of

CLASSES = ["fall", "idle"]


def rules(**settings: Any) -> EventRules:
    """No smoothing, enter 0.6, leave 0.4, one row is enough, nothing merged, no cooldown; but as `settings` say."""
    rule = {
        "enter": 0.6,
        "leave": 0.4,
        "min_seconds": 0.0,
        "consecutive": 1,
        "merge_gap": 0.0,
        "cooldown": 0.0,
    }
    own = {name: settings.pop(name) for name in list(settings) if name in rule}
    return EventRules("none", background=("idle",), default=LabelRule(**{**rule, **own}), **settings)


def pushed(
    wanted: EventRules, rows: list[tuple[float, float]], **about: Any
) -> tuple[EventDetector, list[Event]]:
    detector = EventDetector(CLASSES, wanted, **about)
    return detector, [event for at, value in rows for event in detector.push(at, [value, 1 - value])]


def spans(events: list[Event]) -> list[tuple[float, float]]:
    return [(event.start, event.end) for event in events if event.ended]


# The end of a stream


def test_a_run_that_is_not_an_event_yet_is_none_at_the_end() -> None:
    detector, told = pushed(rules(consecutive=3), [(0.0, 0.9), (1.0, 0.9)])
    assert told == [] and detector.finish(2.0) == []
    # Nor does it go on in the rows after.
    assert detector.push(2.0, [0.9, 0.1]) == []


def test_an_event_ends_with_its_last_row_when_the_stream_does() -> None:
    detector, _ = pushed(rules(), [(0.0, 0.9), (1.0, 0.5)])
    assert spans(detector.finish(5.0)) == [(0.0, 1.0)]
    assert detector.finish(5.0) == []


def test_an_event_inside_its_merge_gap_ends_where_it_stopped() -> None:
    detector, told = pushed(rules(merge_gap=60.0), [(0.0, 0.9), (1.0, 0.9), (2.0, 0.1), (2.5, 0.1)])
    assert [event.ended for event in told] == [False]
    assert spans(detector.finish(3.0)) == [(0.0, 1.0)]


def test_nothing_reaches_beyond_the_end_that_is_stated() -> None:
    detector, _ = pushed(rules(), [(0.0, 0.9), (1.0, 0.9)])
    assert spans(detector.finish(0.75)) == [(0.0, 0.75)]


def test_after_a_pause_the_same_detector_goes_on_with_its_cooldown() -> None:
    detector, _ = pushed(rules(cooldown=10.0), [(0.0, 0.9), (1.0, 0.9)])
    detector.finish(1.0)
    (event,) = detector.push(4.0, [0.9, 0.1])
    assert (event.start, event.alert) == (4.0, False)
    detector.finish(4.0)
    (event,) = detector.push(11.0, [0.9, 0.1])
    assert (event.start, event.alert) == (11.0, True)


# A camera that is away


def test_no_event_spans_a_time_without_the_camera() -> None:
    rows = [(0.0, 0.9), (0.5, 0.9), (10.5, 0.9), (11.0, 0.9)]
    detector, told = pushed(rules(merge_gap=60.0), rows)
    # A merge gap of a minute bridges what was seen without the label, not what was not seen.
    assert [(event.start, event.end, event.ended) for event in told] == [
        (0.0, 0.001, False),
        (0.0, 0.5, True),
        (10.5, 10.501, False),
    ]
    assert spans(detector.finish(11.0)) == [(10.5, 11.0)]


def test_a_run_does_not_span_it_either() -> None:
    detector, told = pushed(
        rules(consecutive=3), [(0.0, 0.9), (0.5, 0.9), (10.5, 0.9), (11.0, 0.9), (11.5, 0.9)]
    )
    assert [(event.start, event.ended) for event in told] == [(10.5, False)]
    detector, told = pushed(rules(min_seconds=5.0), [(0.0, 0.9), (0.5, 0.9), (10.5, 0.9), (11.0, 0.9)])
    assert told == [] and detector.finish(12.0) == []


def test_two_seconds_are_bridged_and_more_only_where_rows_are_as_sparse() -> None:
    detector, _ = pushed(rules(), [(0.0, 0.9), (0.5, 0.9), (2.5, 0.9)])
    assert spans(detector.finish(3.0)) == [(0.0, 2.5)]
    detector, told = pushed(rules(), [(0.0, 0.9), (0.5, 0.9), (2.6, 0.9)])
    assert spans(told) == [(0.0, 0.5)]
    # A row every 5 s: 20 s, four periods, are still bridged, and 21 s are not.
    slow = [(5.0 * number, 0.9) for number in range(9)]
    detector, told = pushed(rules(), [*slow, (60.0, 0.9)])
    assert spans(told + detector.finish(60.0)) == [(0.0, 0.001), (5.0, 60.0)]
    detector, told = pushed(rules(), [*slow, (61.0, 0.9)])
    assert spans(told) == [(0.0, 0.001), (5.0, 40.0)]


def test_several_rows_of_one_frame_do_not_make_a_slow_camera_look_fast() -> None:
    # One frame every 3 s, sampled more often: each is there three times.
    rows = [(3.0 * (number // 3), 0.9) for number in range(12)]
    detector, told = pushed(rules(), rows)
    assert spans(told + detector.finish(9.0)) == [(0.0, 0.001), (3.0, 9.0)]


def test_smoothing_starts_anew_after_it() -> None:
    wanted = EventRules("exponential", 100.0, background=("idle",), default=rules().default)
    detector, _ = pushed(wanted, [(0.0, 0.0), (0.5, 0.0), (10.5, 1.0)])
    assert detector.smoothed.tolist() == [1.0, 0.0]


def test_smoothing_starts_anew_where_events_do_though_few_rows_count() -> None:
    # A row every 0.5 s of which every eighth is good: by those alone, 10 s would be no pause.
    wanted = EventRules("exponential", 100.0, background=("idle",), default=rules().default)
    rows = [(0.5 * number, 0.0 if number % 8 == 0 else float("nan")) for number in range(41)]
    detector, _ = pushed(wanted, [*rows, (30.0, 1.0)])
    assert detector.smoothed.tolist() == [1.0, 0.0]


# Lag


def test_events_are_shown_earlier_by_the_lag_and_never_before_the_start() -> None:
    values = [0.0, 0.0, 0.9, 1.0, 0.9, 0.0, 0.9, 0.9, 0.0]
    rows = np.array([[value, 1 - value] for value in values])
    events = events_of(np.arange(9.0), rows, CLASSES, rules(lag=1.5), end=9.0)
    assert [(e.start, e.end, e.peak_time) for e in events] == [(0.5, 2.5, 1.5), (4.5, 5.5, 4.5)]
    (first, second) = events_of(np.arange(9.0), rows, CLASSES, rules(lag=3.5), end=9.0)
    assert (first.start, first.end, first.peak_time) == (0.0, 0.5, 0.0)
    assert (second.start, second.end, second.peak_time) == (2.5, 3.5, 2.5)


def test_what_lies_wholly_within_the_lag_keeps_an_order_and_names_of_its_own() -> None:
    values = [0.9, 0.9, 0.0, 0.9, 0.9, 0.0, 0.9, 0.9, 0.9]
    rows = np.array([[value, 1 - value] for value in values])
    events = events_of(np.arange(9.0), rows, CLASSES, rules(lag=7.0), end=9.0)
    assert [e.start for e in events] == pytest.approx([0.0, 0.001, 0.002])
    assert [e.end for e in events] == pytest.approx([0.001, 0.002, 1.0])
    assert len({event.id for event in events}) == 3


# Names and dates


def test_ids_say_source_time_and_label_and_are_the_same_each_time() -> None:
    rows = np.array([[0.0, 1.0], [0.9, 0.1], [0.9, 0.1], [0.0, 1.0]])
    times = np.array([12.0, 12.3456, 12.5, 12.6])
    again = [events_of(times, rows, CLASSES, rules(), end=13.0, source="in/lobby cam.mp4") for _ in range(2)]
    assert again[0] == again[1]
    (event,) = again[0]
    source, digest, moment, label = event.id.rsplit("-", 3)
    assert (source, moment, label) == ("lobby-cam", "000012345", "fall") and len(digest) == 8
    assert event.source == "in/lobby cam.mp4" and event.began_at is None


def test_ids_of_other_sources_labels_and_cameras_differ() -> None:
    def ids(source: str, classes: list[str]) -> list[str]:
        wanted = EventRules("none", default=LabelRule(0.1, 0.1, 0, 1, 0, 0))
        rows = np.full((2, len(classes)), 1 / len(classes))
        return [e.id for e in events_of(np.arange(2.0), rows, classes, wanted, end=2.0, source=source)]

    named = [
        *ids("a/clip.mp4", ["Run fast!", "run-FAST", "動く", "?"]),
        *ids("b/clip.mp4", ["run-fast"]),
        *ids("rtsp://10.0.0.5/cam?channel=1", ["run-fast"]),
        *ids("rtsp://10.0.0.5/cam?channel=2", ["run-fast"]),
        *ids("0", ["run-fast"]),
        *ids("", ["run-fast"]),
    ]
    assert len({name.casefold() for name in named}) == len(named) == 9
    for name in named:
        assert not set(name) & set('/\\:*?"<>| ') and len(name.encode()) < 200
    long = ids("x" * 400 + ".mp4", ["動" * 300])
    assert len(long[0].encode()) < 200


def test_ids_tell_no_password() -> None:
    def identity(source: str) -> str:
        (event,) = events_of(np.zeros(1), np.array([[1.0, 0.0]]), CLASSES, rules(), end=1.0, source=source)
        return event.id

    with_password = identity("rtsp://admin:s3cret@camera.example:554/live/door.sdp")
    assert "s3cret" not in with_password and "admin" not in with_password
    assert with_password == identity("rtsp://camera.example:554/live/door.sdp")
    assert with_password.startswith("door-")
    assert identity("rtsp://admin:s3cret@camera.example:554").startswith("camera-example-554-")


@pytest.mark.parametrize(
    "began",
    [
        datetime(2026, 5, 21, 9, 30, tzinfo=UTC),
        datetime(2026, 5, 21, 11, 30, tzinfo=timezone(timedelta(hours=2))),
        1779355800.0,
    ],
    ids=["utc", "other zone", "seconds since 1970"],
)
def test_live_events_have_a_date_in_their_id_and_in_began_at(began: Any) -> None:
    detector, told = pushed(rules(lag=0.5), [(1.0, 0.0), (2.0, 0.9), (2.25, 0.9)], source="0", began=began)
    (ended,) = detector.finish(3.0)
    assert {event.began_at for event in [*told, ended]} == {"2026-05-21T09:30:01.500+00:00"}
    assert ended.id.endswith("-20260521T093001500Z-fall") and told[0].id == ended.id


def test_an_event_is_the_same_after_a_way_through_json() -> None:
    detector, _ = pushed(rules(), [(0.0, 0.75), (1.0, 0.75)], source="0", began=0.0)
    (event,) = detector.finish(2.0)
    assert Event.from_dict(event.to_dict()) == event


# Long streams


def test_a_long_event_costs_no_more_memory_than_a_short_one() -> None:
    wanted = EventRules("median", 0.5, background=("idle",), default=rules().default)
    detector = EventDetector(CLASSES, wanted)
    row = np.array([0.75, 0.25], np.float32)
    for number in range(500):
        detector.push(number * 0.1, row)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(500, 5_500):
            detector.push(number * 0.1, row)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 10_000  # 5000 rows of two numbers would be 40 000 bytes and their arrays ten times that
    (event,) = detector.finish(1e9)
    assert (event.rows, event.mean) == (5_500, pytest.approx(0.75))


def test_a_clock_that_stands_still_does_not_fill_the_memory_of_the_median() -> None:
    detector = EventDetector(CLASSES, EventRules("median", 0.5))

    def push(count: int) -> int:
        for _ in range(count):
            detector.push(0.0, [1.0, 0.0])
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        full = push(1_100)
        assert push(500) - full < 20_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("smoothing", ["exponential", "median"])
def test_a_row_of_400_classes_costs_far_less_than_a_picture(smoothing: str) -> None:
    names = [f"class {number}" for number in range(400)]
    detector = EventDetector(names, EventRules(smoothing, 0.5))  # type: ignore[arg-type]
    rows = np.random.default_rng(0).dirichlet(np.ones(400), 200).astype(np.float32)
    spent = []
    for number in range(1000):
        began = time.perf_counter()
        detector.push(number * 0.125, rows[number % 200])
        spent.append(time.perf_counter() - began)
    # 0.02 to 0.05 ms on a quiet machine; a loop over 400 classes in Python would take many times that.
    assert sorted(spent)[500] < 0.0005


def test_the_examples_in_the_docstrings_are_right() -> None:
    for name in ("detector", "logit_energy"):
        result = doctest.testmod(importlib.import_module(f"kinema.events.{name}"))
        assert result.attempted and not result.failed
