"""When an event begins and ends: each corner of the rules on rows made by hand, without smoothing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from kinema.errors import UsageError
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


def told(
    detector: EventDetector, values: list[float], step: float = 1.0
) -> list[tuple[float, str, float, float]]:
    """Push rows (v, 1 - v) every `step` seconds; return when what was told, with start and end."""
    found = []
    for number, value in enumerate(values):
        time = number * step
        for event in detector.push(time, [value, 1 - value]):
            found.append((time, "ended" if event.ended else "begun", event.start, event.end))
    return found


def found(values: list[float], wanted: EventRules, step: float = 1.0) -> list[tuple[float, float]]:
    """Return start and end of the events of rows (v, 1 - v) every `step` seconds."""
    rows = np.array([[value, 1 - value] for value in values], np.float32)
    times = np.arange(len(values)) * step
    return [(e.start, e.end) for e in events_of(times, rows, CLASSES, wanted, end=len(values) * step)]


def test_it_enters_at_one_threshold_and_leaves_below_another() -> None:
    detector = EventDetector(CLASSES, rules())
    # 0.5 neither begins an event nor ends one; 0.6 begins one, and it takes less than 0.4 to end it.
    assert told(detector, [0.5, 0.6, 0.5, 0.4, 0.39, 0.5, 0.1]) == [
        (1.0, "begun", 1.0, 1.001),
        (4.0, "ended", 1.0, 3.0),
    ]


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.7, 0.9])
def test_a_probability_equal_to_the_threshold_reaches_it_in_any_precision(threshold: float) -> None:
    for kind in (np.float32, np.float64):
        rows = np.array([[threshold, 1 - threshold]] * 2, kind)
        wanted = rules(enter=threshold, leave=threshold)
        assert len(events_of(np.array([0.0, 1.0]), rows, CLASSES, wanted, end=2.0)) == 1


def test_consecutive_counts_rows_above_enter_without_a_break() -> None:
    wanted = rules(consecutive=3)
    assert found([0.7, 0.7, 0.5, 0.7, 0.7, 0.1], wanted) == []  # 0.5 is above leave, but it breaks a run
    assert found([0.7, 0.5, 0.7, 0.7, 0.7, 0.1], wanted) == [(2.0, 4.0)]


def test_min_seconds_is_from_the_first_row_of_a_run_to_the_newest() -> None:
    wanted = rules(min_seconds=0.3)
    # 0.3 - 0.0 and 0.1 * 3 differ in the last bit; the event is there all the same, at its fourth row.
    detector = EventDetector(CLASSES, wanted)
    assert [when for when, *_ in told(detector, [0.7] * 4 + [0.1], step=0.1)] == pytest.approx([0.3, 0.4])
    assert found([0.7] * 3 + [0.1] * 3, wanted, step=0.1) == []
    detector = EventDetector(CLASSES, wanted)
    detector.push(0.4, [0.7, 0.3])
    assert len(detector.push(0.7, [0.7, 0.3])) == 1  # 0.7 - 0.4 is less than 0.3 in its last bit
    # Both must hold: many rows in no time are too short, a long pair is too few.
    assert found([0.7] * 9 + [0.1], rules(min_seconds=1.0, consecutive=2), step=0.1) == []
    assert found([0.7] * 2 + [0.1], rules(min_seconds=1.0, consecutive=3)) == []


def test_within_the_merge_gap_an_event_goes_on_and_is_told_of_once() -> None:
    detector = EventDetector(CLASSES, rules(merge_gap=2.0))
    assert told(detector, [0.9, 0.1, 0.9, 0.8, 0.1, 0.1, 0.1, 0.1]) == [
        (0.0, "begun", 0.0, 0.001),
        # Ended at 3 s, but known only when the gap has passed: a row at 5 s could still have taken it up.
        (6.0, "ended", 0.0, 3.0),
    ]


def test_a_merge_gap_is_bridged_up_to_and_including_its_length_and_by_enter_only() -> None:
    assert found([0.9, 0.1, 0.9, 0.1, 0.1], rules(merge_gap=2.0)) == [(0.0, 2.0)]
    assert found([0.9, 0.1, 0.9, 0.1, 0.1], rules(merge_gap=1.9)) == [(0.0, 0.001), (2.0, 2.001)]
    # 0.5 keeps an event going, and does not take up one that has stopped.
    assert found([0.9, 0.5, 0.1, 0.5, 0.5], rules(merge_gap=9.0)) == [(0.0, 1.0)]
    # 0.4 - 0.1 is more than 0.3 in its last bit.
    ((start, end),) = found([0.9, 0.9, 0.1, 0.1, 0.9, 0.1], rules(merge_gap=0.3), step=0.1)
    assert (start, end) == (0.0, pytest.approx(0.4))


def test_after_the_merge_gap_a_row_ends_one_event_and_begins_the_next() -> None:
    detector = EventDetector(CLASSES, rules(merge_gap=1.0))
    assert told(detector, [0.9, 0.9, 0.1, 0.9]) == [
        (0.0, "begun", 0.0, 0.001),
        (3.0, "ended", 0.0, 1.0),
        (3.0, "begun", 3.0, 3.001),
    ]


def test_peak_mean_and_counts_are_over_the_rows_that_supported_the_event() -> None:
    rows = np.array([[0.75, 0.25], [1.0, 0.0], [0.0, 1.0], [0.75, 0.25], [0.5, 0.5], [0.0, 1.0]])
    (event,) = events_of(np.arange(6.0), rows, CLASSES, rules(consecutive=2, merge_gap=2.0), end=6.0)
    # Rows 0, 1, 3 and 4; the row of the gap counts in nothing, though its time belongs to the event.
    assert (event.start, event.end, event.rows) == (0.0, 4.0, 4)
    assert (event.peak, event.peak_time) == (1.0, 1.0)
    assert event.mean == pytest.approx(0.75) and event.means == pytest.approx({"fall": 0.75, "idle": 0.25})


def test_the_peak_is_the_first_of_equals_and_grows_until_the_end() -> None:
    detector = EventDetector(CLASSES, rules())
    (begun,) = detector.push(0.0, [0.7, 0.3])
    detector.push(1.0, [0.9, 0.1])
    detector.push(2.0, [0.9, 0.1])
    (ended,) = detector.push(3.0, [0.0, 1.0])
    assert (begun.peak, begun.peak_time, begun.rows, begun.ended) == (pytest.approx(0.7), 0.0, 1, False)
    assert (ended.peak, ended.peak_time, ended.rows, ended.ended) == (pytest.approx(0.9), 1.0, 3, True)
    assert begun.id == ended.id and ended.alert


def test_a_cooldown_silences_by_label_and_from_the_last_alert_on() -> None:
    values = [0.9, 0.1, 0.1, 0.9, 0.1, 0.9, 0.1, 0.9, 0.1]
    rows = np.array([[value, 1 - value] for value in values])
    events = events_of(np.arange(9.0), rows, CLASSES, rules(cooldown=5.0), end=9.0)
    # Starts 3 s and 5 s after the end of the first alert: 5 s are over. The silent one at 3 s prolongs nothing.
    assert [(e.start, e.alert) for e in events] == [(0.0, True), (3.0, False), (5.0, True), (7.0, False)]

    both = EventRules("none", default=LabelRule(0.6, 0.4, 0, 1, 0, 100.0))
    events = events_of(np.arange(3.0), np.array([[1, 0], [0, 1], [1, 0]]), CLASSES, both, end=3.0)
    assert [(e.label, e.alert) for e in events] == [("fall", True), ("idle", True), ("fall", False)]


def test_labels_have_rules_of_their_own_and_background_makes_no_event() -> None:
    wanted = EventRules(
        "none",
        background=("idle",),
        default=LabelRule(0.3, 0.3, 0, 1, 0, 0),
        per_label={"run": LabelRule(0.3, 0.3, 0, 3, 0, 0)},
    )
    rows = np.array([[0.4, 0.4, 0.2], [0.4, 0.4, 0.2], [0.2, 0.4, 0.4], [0.0, 0.0, 1.0]])
    events = events_of(np.arange(4.0), rows, ["walk", "run", "idle"], wanted, end=4.0)
    # Two labels at once, in order of start and then of the classes.
    assert [(e.label, e.start, e.end) for e in events] == [("walk", 0.0, 1.0), ("run", 0.0, 2.0)]
    only = EventRules("none", labels=("run",), default=wanted.default)
    assert {e.label for e in events_of(np.arange(4.0), rows, ["walk", "run", "idle"], only, end=4.0)} == {
        "run"
    }


def test_one_row_tells_what_ends_before_what_begins() -> None:
    detector = EventDetector(CLASSES, EventRules("none", default=LabelRule(0.6, 0.4, 0, 1, 0, 0)))
    detector.push(0.0, [0.0, 1.0])
    assert [(e.label, e.ended) for e in detector.push(1.0, [1.0, 0.0])] == [("idle", True), ("fall", False)]


def test_a_row_that_no_class_fits_supports_none() -> None:
    wanted = EventRules("none", default=LabelRule(0.5, 0.2, 0, 1, 0, 0), unknown=0.6)
    detector = EventDetector(CLASSES, wanted)
    assert [e.ended for e in detector.push(0.0, [0.6, 0.4])] == [False] and detector.known
    # 0.55 is above both thresholds of the label, and below that of being known.
    (event,) = detector.push(1.0, [0.55, 0.45])
    assert event.ended and event.end == 0.001 and not detector.known
    assert detector.smoothed == pytest.approx([0.55, 0.45])


def test_a_row_of_high_energy_supports_no_label_however_probable() -> None:
    detector = EventDetector(CLASSES, rules(unknown_energy=-2.0))
    assert detector.push(0.0, [1.0, 0.0], energy=-1.9) == [] and not detector.known
    assert len(detector.push(1.0, [1.0, 0.0], energy=-2.0)) == 1 and detector.known
    (event,) = detector.push(2.0, [1.0, 0.0], energy=math.nan)
    assert event.ended and not detector.known
    with pytest.raises(UsageError, match="rows come without energy"):
        detector.push(3.0, [1.0, 0.0])
    rows, energies = np.array([[1.0, 0.0]] * 3), np.array([-3.0, -3.0, 0.0])
    (event,) = events_of(
        np.arange(3.0), rows, CLASSES, rules(unknown_energy=-2.0), end=3.0, energies=energies
    )
    assert (event.start, event.end) == (0.0, 1.0)


def test_rows_before_the_first_full_window_count_only_where_the_rules_say_so() -> None:
    rows, full = np.array([[1.0, 0.0]] * 4), np.array([False, False, True, True])
    (event,) = events_of(np.arange(4.0), rows, CLASSES, rules(), end=4.0, full=full)
    assert (event.start, event.end) == (2.0, 3.0)
    (event,) = events_of(np.arange(4.0), rows, CLASSES, rules(partial=True), end=4.0, full=full)
    assert (event.start, event.end) == (0.0, 3.0)
    detector = EventDetector(CLASSES, EventRules("exponential", 10.0))
    detector.push(0.0, [1.0, 0.0], full=False)
    assert detector.smoothed.tolist() == [1.0, 0.0] and not detector.known
    detector.push(0.1, [0.0, 1.0])
    # A smoothing that had begun with the partial row would show almost 1, 0 here.
    assert detector.smoothed.tolist() == [0.0, 1.0] and detector.known


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_row_of_no_numbers_supports_nothing_and_spoils_nothing(bad: float) -> None:
    detector = EventDetector(CLASSES, EventRules("exponential", 1.0, default=rules(merge_gap=1.0).default))
    detector.push(0.0, [0.8, 0.2])
    assert detector.push(0.5, [bad, 0.2]) == [] and not detector.known
    assert np.isfinite(detector.smoothed).all()
    assert detector.push(1.0, [0.8, 0.2]) == []  # the event goes on after a gap of 1 s
    assert detector.smoothed == pytest.approx([0.8, 0.2])
    (event,) = detector.finish(1.5)
    assert (event.start, event.end, event.rows) == (0.0, 1.0, 2)
    assert event.mean == pytest.approx(0.8)


def test_two_rows_with_one_time_are_two_rows_and_never_two_events() -> None:
    assert found([0.7, 0.7, 0.1], rules(consecutive=2), step=0.0) == [(0.0, 0.001)]
    assert found([0.9, 0.1, 0.9, 0.1, 0.9], rules(), step=0.0) == [(0.0, 0.001)]
    assert found([0.7, 0.7, 0.1], rules(min_seconds=0.1), step=0.0) == []


def test_smoothing_decides_and_not_the_rows() -> None:
    wanted = EventRules("median", 2.0, background=("idle",), default=rules().default)
    # A single row of 0.9 is flicker to a median of three, and a single row of 0 does not end an event.
    assert found([0.1, 0.1, 0.9, 0.1, 0.1], wanted) == []
    assert found([0.9, 0.9, 0.9, 0.0, 0.9, 0.9], wanted) == [(0.0, 5.0)]


@pytest.mark.parametrize(
    ("classes", "settings", "words"),
    [
        ([], {}, "give at least one, and none twice"),
        (["a", "a"], {}, "give at least one, and none twice"),
        (["a", "b"], {"labels": ("c",)}, "event label 'c': the recognizer does not know it"),
        (["a", "b"], {"per_label": {"c": LabelRule()}}, "event label 'c'"),
        (["a", "b"], {"background": ("a", "b")}, "no class is left"),
    ],
)
def test_wrong_classes_are_named(classes: list[str], settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        EventDetector(classes, EventRules(**settings))


def test_rows_of_another_length_times_that_go_back_and_uneven_tables_are_refused() -> None:
    detector = EventDetector(CLASSES, rules())
    with pytest.raises(UsageError, match=r"shape \(3,\): give one for each of 2 classes"):
        detector.push(0.0, [0.1, 0.2, 0.7])
    detector.push(1.0, [0.9, 0.1])
    for wrong in (0.5, math.nan, math.inf):
        with pytest.raises(UsageError, match="in order of time"):
            detector.push(wrong, [0.9, 0.1])
    with pytest.raises(UsageError, match="2 rows of probabilities at 3 times"):
        events_of(np.arange(3.0), np.zeros((2, 2)), CLASSES, rules(), end=3.0)
    with pytest.raises(UsageError, match="1 rows of energies at 3 times"):
        events_of(np.arange(3.0), np.zeros((3, 2)), CLASSES, rules(), end=3.0, energies=np.zeros(1))
    assert events_of(np.zeros(0), np.zeros((0, 2)), CLASSES, rules(), end=0.0) == []


def test_the_alarm_of_s2_after_a_run_of_more_than_five_frames() -> None:
    """SEED-SYSTEMS, S2: positive at >= 0.50; when a run of more than 5 frames ends, a mail with frames, seconds, the mean
    probability of each class and their difference; no pause between mails."""
    five, six = [0.5, 0.6, 0.7, 0.8, 0.9], [0.5, 0.75, 1.0, 1.0, 0.75, 0.5]
    values = [0.49, *five, 0.4999, *six, 0.2, *six, 0.0, *five]
    detector = EventDetector(["six", "none"], EventRules.alarm_by_count("six"))
    alerts: list[tuple[int, Event]] = []
    for frame, value in enumerate(values):
        alerts += [
            (frame, e) for e in detector.push(frame / 25, [value, 1 - value], full=frame >= 4) if e.ended
        ]
    alerts += [(len(values), event) for event in detector.finish(len(values) / 25)]
    # Frames 7 to 12 and 14 to 19, each told of at the first negative frame; the runs of exactly five give none.
    assert [frame for frame, _ in alerts] == [13, 20]
    for (_, event), first in zip(alerts, (7, 14), strict=True):
        assert event.alert and event.rows == 6
        assert (event.start, event.end) == pytest.approx((first / 25, (first + 5) / 25))
        assert event.seconds == pytest.approx(0.2)
        assert event.means == pytest.approx({"six": 0.75, "none": 0.25})
        assert event.means["six"] - event.means["none"] == pytest.approx(0.5)


def test_the_alarm_of_s2_comes_at_the_end_of_the_file_too() -> None:
    detector = EventDetector(["six", "none"], EventRules.alarm_by_count("six", threshold=0.8, total_frames=2))
    for frame in range(3):
        detector.push(frame / 25, [0.8, 0.2])
    (event,) = detector.finish(0.12)
    assert event.alert and event.ended and event.rows == 3


def test_other_classes_of_s2_alarm_nobody() -> None:
    rows = np.array([[0.0, 1.0]] * 20)
    assert events_of(np.arange(20.0), rows, ["six", "none"], EventRules.alarm_by_count("six"), end=20.0) == []
