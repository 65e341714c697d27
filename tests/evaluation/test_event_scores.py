"""Events against segments: matching, average precision, false alarms, delays; by hand and against ActivityNet's script."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from kinema.errors import DataError
from kinema.evaluation.events.matching import Spans, average_precision, match, pairs_of
from kinema.evaluation.events.numbers import event_numbers, f1_difference, precision_recall_points
from kinema.evaluation.events.scoring import EventScores, score_events
from kinema.events import Event


def event(label: str, start: float, end: float, peak: float = 0.9) -> Event:
    return Event(label, start, end, peak, start, peak)


def two_videos() -> EventScores:
    """A minute with two falls and three events, and a minute in which nothing happens and one event."""
    found = [
        [event("fall", 10, 18, 0.9), event("fall", 32, 46, 0.7), event("fall", 50, 55, 0.8)],
        [event("fall", 5, 6, 0.95)],
    ]
    truth = [[("fall", 10.0, 20.0), ("fall", 30.0, 40.0)], []]
    return score_events(found, truth, [60, 60], announced=[[11, 34, 51], [5.5]])


def spans(rows: Sequence[tuple[int, float, float, float]]) -> Spans:
    return Spans.of(rows)


def test_precision_recall_and_f1_by_hand() -> None:
    # tIoU 8/10 and 8/16; the third touches nothing; the fourth is in another video.
    numbers = event_numbers(two_videos())
    at = {
        threshold: [part[name]["value"] for name in ("precision", "recall", "f1")]
        for threshold, part in numbers["at"].items()
    }
    assert at["0.3"] == pytest.approx([0.5, 1.0, 2 / 3])
    assert at["0.5"] == pytest.approx([0.5, 1.0, 2 / 3])
    assert at["0.7"] == pytest.approx([0.25, 0.5, 1 / 3])
    assert (numbers["segments"], numbers["events"], numbers["videos"]) == (2, 4, 2)
    assert numbers["hours"] == pytest.approx(120 / 3600)


def test_average_precision_by_hand() -> None:
    # In order of confidence: wrong, right, wrong, right. Precision 0, 1/2, 1/3, 1/2 at recall 0, 1/2, 1/2, 1; the highest
    # at any later recall is 1/2 throughout.
    numbers = event_numbers(two_videos())
    assert numbers["map"]["0.5"]["value"] == pytest.approx(0.5)
    assert numbers["map"]["0.7"]["value"] == pytest.approx(0.25)  # right at 1/2 only, precision 1/2
    # 0.5 at 0.3, 0.4 and 0.5, and 0.25 at 0.6 and 0.7.
    assert numbers["map"]["mean"] == pytest.approx(0.4)
    points = precision_recall_points(two_videos(), 0.5)
    assert [x for x, _ in points] == pytest.approx([0.0, 0.5, 0.5, 1.0])
    assert [y for _, y in points] == pytest.approx([0.0, 0.5, 1 / 3, 0.5])


def test_false_alarms_are_counted_over_the_time_without_the_label() -> None:
    found = event_numbers(two_videos())["false_alarms"]
    assert found["count"] == 2
    # 60 - 20 s and 60 s without a fall.
    assert found["quiet_hours"] == {"fall": pytest.approx(100 / 3600)}
    assert found["per_hour"]["value"] == pytest.approx(72.0)


def test_delay_runs_from_the_start_of_the_segment_to_the_announcement() -> None:
    numbers = event_numbers(two_videos())
    assert numbers["delay"] == {"median": pytest.approx(2.5), "p90": pytest.approx(3.7), "count": 2}
    assert numbers["detection"]["rate"]["value"] == 1.0
    assert numbers["detection"]["missed"] == 0


def test_an_event_that_stands_before_its_segment_begins_has_no_delay() -> None:
    scores = score_events([[event("fall", 1, 12)]], [[("fall", 10.0, 20.0)]], [30], announced=[[2.0]])
    (one,) = scores.awaited
    assert (one.delay, one.detected, one.matched) == (0.0, True, False)


def test_without_announcements_there_is_no_delay_and_detection_is_known() -> None:
    numbers = event_numbers(score_events([[event("fall", 10, 20)]], [[("fall", 10.0, 20.0)]], [30]))
    assert numbers["delay"] == {"median": None, "p90": None, "count": 0}
    assert numbers["detection"]["detected"] == 1


def test_a_second_event_of_a_segment_is_wrong_and_no_false_alarm() -> None:
    found = [[event("fall", 10, 20, 0.6), event("fall", 11, 20, 0.9)]]
    scores = score_events(found, [[("fall", 10.0, 20.0)]], [40])
    assert scores.at(0.5).sum() == 1
    assert [one.matched for one in scores.judged] == [
        None,
        0,
    ]  # the surer one got it, though its tIoU is lower
    assert scores.alarms.sum() == 0


def test_each_event_takes_the_best_segment_that_is_free() -> None:
    found = spans([(0, 0, 10, 0.9), (0, 1, 11, 0.8)])
    truth = spans([(0, 0, 10, 0), (0, 4, 14, 0)])
    pairs = pairs_of(found, truth)
    # tIoU of the second: 9/11 with the first segment, 7/13 with the other.
    assert match(pairs, found.score, 0.5) == {0: 0, 1: 1}
    assert match(pairs, found.score, 0.6) == {0: 0}


def test_overlapping_labels_are_judged_apart() -> None:
    truth = [[("sit", 0.0, 10.0), ("read", 2.0, 8.0)]]
    found = [[event("sit", 0, 10), event("read", 20, 22)]]
    scores = score_events(found, truth, [30])
    assert scores.labels == ["read", "sit"]
    rows = {row["label"]: row for row in event_numbers(scores)["per_label"]}
    assert (rows["sit"]["f1"], rows["read"]["f1"]) == (1.0, 0.0)
    assert rows["read"]["false_alarms_per_hour"] == pytest.approx(3600 / 24)
    assert rows["sit"]["false_alarms_per_hour"] == 0.0


def test_segments_of_one_label_that_overlap_cover_their_time_once() -> None:
    truth = [[("fall", 0.0, 10.0), ("fall", 5.0, 15.0), ("fall", 12.0, 14.0)]]
    scores = score_events([[]], truth, [20])
    assert scores.quiet.tolist() == [[5.0]]


def test_a_label_never_found_and_one_never_true() -> None:
    scores = score_events([[event("jump", 1, 2)]], [[("fall", 5.0, 6.0)]], [10])
    rows = {row["label"]: row for row in event_numbers(scores)["per_label"]}
    assert (rows["fall"]["precision"], rows["fall"]["recall"], rows["fall"]["f1"]) == (None, 0.0, 0.0)
    assert (rows["jump"]["precision"], rows["jump"]["recall"]) == (0.0, None)
    assert rows["jump"]["average_precision"] is None
    # The mean over labels is over those that have segments.
    assert event_numbers(scores)["map"]["0.5"]["value"] == 0.0


def test_labels_that_do_not_count_are_passed_over() -> None:
    truth = [[("background", 0.0, 5.0), ("fall", 5.0, 9.0)]]
    scores = score_events([[event("fall", 5, 9)]], truth, [10], labels=["fall"])
    assert (scores.truth.sum(), scores.found.sum()) == (1, 1)
    assert event_numbers(scores)["at"]["0.5"]["f1"]["value"] == 1.0


def test_a_clip_full_of_its_label_has_no_room_for_false_alarms() -> None:
    scores = score_events([[event("fall", 1, 4)]], [[("fall", 0.0, 4.0)]], [4])
    numbers = event_numbers(scores)
    assert numbers["false_alarms"]["per_hour"] is None
    assert numbers["at"]["0.7"]["f1"]["value"] == 1.0  # 3/4 of the clip


def test_nothing_found_in_nothing_is_undefined_and_not_perfect() -> None:
    numbers = event_numbers(score_events([[]], [[]], [60], labels=["fall"]))
    assert numbers["at"]["0.5"]["f1"] is None
    assert numbers["false_alarms"]["per_hour"]["value"] == 0.0


def test_rates_of_several_labels_add_up() -> None:
    # One false alarm of each label in a video of 30 minutes: 2 an hour each, 4 an hour in all.
    found = [[event("fall", 10, 12), event("fight", 20, 22)]]
    numbers = event_numbers(score_events(found, [[]], [1800]))
    assert numbers["false_alarms"]["per_hour"]["value"] == pytest.approx(4.0)


def test_an_event_without_length_touches_the_segment_that_holds_its_moment() -> None:
    found = spans([(0, 5, 5, 0.9), (0, 10, 10, 0.9)])
    assert pairs_of(found, spans([(0, 5, 10, 0)])).touch.tolist() == [True, False]


def test_average_precision_of_nothing_is_zero() -> None:
    assert average_precision(np.zeros(0, np.bool_), np.zeros(0), 3) == 0.0


def test_the_numbers_of_activitynets_own_script() -> None:
    """The expected values come from `compute_average_precision_detection` of ActivityNet's eval_detection.py."""
    rng = np.random.default_rng(7)
    truth: list[list[tuple[str, float, float]]] = [[] for _ in range(12)]
    found: list[list[Event]] = [[] for _ in range(12)]
    for video in range(12):
        for label in ("fall", "fight"):
            for _ in range(int(rng.integers(0, 4))):
                start = round(float(rng.uniform(0, 60)), 2)
                end = round(start + float(rng.uniform(1, 12)), 2)
                truth[video].append((label, start, end))
                for _ in range(int(rng.integers(0, 3))):
                    first = round(max(0.0, start + float(rng.normal(0, 1.5))), 2)
                    last = round(end + float(rng.normal(0, 1.5)) + 1, 2)
                    found[video].append(event(label, first, last, round(float(rng.uniform(0.4, 1)), 4)))
            for _ in range(int(rng.integers(0, 2))):
                start = round(float(rng.uniform(0, 60)), 2)
                end = round(start + float(rng.uniform(0.5, 6)), 2)
                found[video].append(event(label, start, end, round(float(rng.uniform(0.3, 0.9)), 4)))
    scores = score_events(found, truth, [100] * 12)
    expected = {
        "fall": [0.7433531746, 0.7433531746, 0.5709077381, 0.5709077381, 0.267485119],
        "fight": [0.6245252468, 0.595662768, 0.4770031805, 0.3399641282, 0.2280701754],
    }
    for label, (_, score, hits), total in zip(scores.labels, scores.ranked, (16, 19), strict=True):
        values = [average_precision(row, score, total) for row in hits]
        assert values == pytest.approx(expected[label], abs=1e-9)


def test_intervals_are_over_groups_and_missing_below_five() -> None:
    assert event_numbers(two_videos())["at"]["0.5"]["f1"]["low"] is None
    found = [[event("fall", 10, 20)] if i % 3 else [] for i in range(12)]
    truth = [[("fall", 10.0, 20.0)] for _ in range(12)]
    apart = event_numbers(score_events(found, truth, [60] * 12))
    f1 = apart["at"]["0.5"]["f1"]
    assert f1["value"] == pytest.approx(0.8)  # 8 of 12 found and none wrong: 16 / 20
    assert f1["low"] < 0.8 < f1["high"] and f1["groups"] == 12
    # As six groups of two, the same videos vary differently and the groups are counted as such.
    paired = event_numbers(score_events(found, truth, [60] * 12, groups=[str(i // 2) for i in range(12)]))
    assert paired["at"]["0.5"]["f1"]["groups"] == 6
    assert paired["map"]["0.5"]["low"] < paired["map"]["0.5"]["value"] < paired["map"]["0.5"]["high"]


def test_a_mean_average_precision_that_cannot_vary_has_no_interval() -> None:
    found = [[event("fall", 10, 20)] for _ in range(6)]
    truth = [[("fall", 10.0, 20.0)] for _ in range(6)]
    numbers = event_numbers(score_events(found, truth, [60] * 6))
    assert numbers["map"]["0.5"]["value"] == pytest.approx(1.0)
    assert numbers["map"]["0.5"]["low"] is None
    assert "same value" in numbers["at"]["0.5"]["f1"]["note"]


def test_a_difference_is_paired() -> None:
    truth = [[("fall", 10.0, 20.0)] for _ in range(8)]
    good = score_events([[event("fall", 10, 20)] for _ in range(8)], truth, [60] * 8)
    poor = score_events([[event("fall", 10, 20)] if i < 4 else [] for i in range(8)], truth, [60] * 8)
    gain = f1_difference(good, poor)
    assert gain["value"] == pytest.approx(1 - 2 / 3)  # 8 / 12 of the poor one
    assert 0 < gain["low"] < gain["value"] < gain["high"]


@pytest.mark.parametrize(
    ("truth", "durations", "said"),
    [
        ([[("fall", 5.0, 5.0)]], [10], "an end after the start"),
        ([[("fall", float("nan"), 5.0)]], [10], "an end after the start"),
        ([[]], [0], "seconds above 0"),
        ([[], []], [10], "truth has 2 entries"),
    ],
)
def test_what_cannot_be_scored_is_said(
    truth: list[list[tuple[str, float, float]]], durations: list[float], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        score_events([[]], truth, durations)
