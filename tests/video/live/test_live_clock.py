"""The clock of a live source: stamps are believed while they agree with the arrivals."""

from __future__ import annotations

from itertools import pairwise

import pytest

from kinema.video.live.clock import LiveClock


def times(pairs: list[tuple[float | None, float]], clock: LiveClock | None = None) -> list[float]:
    clock = clock or LiveClock()
    return [round(clock.time(stamp, arrived), 3) for stamp, arrived in pairs]


def test_stamps_give_the_time_whatever_they_begin_with_and_whatever_the_arrivals_jitter() -> None:
    assert times([(9000.0, 50.0), (9000.04, 50.09), (9000.08, 50.1), (9000.12, 50.11)]) == [
        0.0,
        0.04,
        0.08,
        0.12,
    ]


def test_pictures_that_come_together_after_a_stall_keep_their_spacing() -> None:
    stalled = [
        (0.0, 10.0),
        (0.5, 10.5),
        (1.0, 14.0),
        (1.5, 14.001),
        (2.0, 14.002),
        (2.5, 14.003),
        (4.0, 14.2),
    ]
    # Three seconds behind at 14.0: drawn by 2 % of the half second that the stamps count, for one picture or two.
    assert times(stalled) == pytest.approx([0.0, 0.5, 1.01, 1.51, 2.01, 2.51, 4.01], abs=0.011)


def test_a_repeated_stamp_moves_by_the_arrival() -> None:
    assert times([(5.0, 0.0), (5.04, 0.04), (5.04, 0.08), (5.04, 0.12), (5.08, 0.16)]) == [
        0.0,
        0.04,
        0.08,
        0.12,
        0.16,
    ]


def test_a_stamp_that_jumps_back_moves_by_the_arrival_and_counts_on_from_there() -> None:
    assert times([(100.0, 0.0), (100.5, 0.5), (3.0, 1.0), (3.5, 1.5)]) == [0.0, 0.5, 1.0, 1.5]


def test_a_stamp_that_jumps_ahead_by_hours_moves_by_the_arrival() -> None:
    assert times([(0.0, 0.0), (0.5, 0.5), (7200.0, 1.0), (7200.5, 1.5)]) == [0.0, 0.5, 1.0, 1.5]


def test_a_jump_of_five_seconds_that_did_not_pass_is_not_believed_and_one_that_passed_is() -> None:
    assert times([(0.0, 0.0), (0.5, 0.5), (5.5, 1.0)]) == [0.0, 0.5, 1.0]
    assert times([(0.0, 0.0), (0.5, 0.5), (5.5, 5.5)]) == [0.0, 0.5, 5.5]


def test_pictures_without_stamps_have_the_time_of_their_arrival() -> None:
    assert times([(None, 7.0), (None, 7.1), (None, 7.35), (None, 7.35)]) == [0.0, 0.1, 0.35, 0.35]


def test_time_goes_on_after_a_reconnect_with_the_time_that_passed() -> None:
    clock = LiveClock()
    assert times([(50.0, 0.0), (50.5, 0.5)], clock) == [0.0, 0.5]
    clock.reconnected()
    assert times([(0.2, 10.5), (0.7, 11.0)], clock) == [10.5, 11.0]


def test_after_a_reconnect_a_clock_that_was_behind_is_not_behind_any_more() -> None:
    clock = LiveClock()
    assert times([(0.0, 0.0), (0.1, 0.9)], clock) == [0.0, 0.1]
    clock.reconnected()
    assert times([(0.0, 5.0)], clock) == [5.0]


def test_stamps_of_a_wrong_rate_are_given_up_when_ten_seconds_apart_from_the_arrivals() -> None:
    # One picture a second, stamped as 25 a second: 0.04 s a picture, and 2 % of that at most towards the arrivals.
    clock = LiveClock()
    seen = times([(0.04 * k, 1.0 * k) for k in range(30)], clock)
    assert seen[5] == pytest.approx(0.2, abs=0.01)
    assert seen[10] == pytest.approx(0.4, abs=0.01)
    assert seen[11:] == [float(k) for k in range(11, 30)]


def test_stamps_that_run_twice_as_fast_stay_ten_seconds_ahead() -> None:
    seen = times([(2.0 * k, 1.0 * k) for k in range(40)])
    assert seen[1:3] == [2.0, 3.98]  # 2 % of the second that passed, from one second ahead on
    assert all(b - a == pytest.approx(1.0) for a, b in pairwise(seen[20:]))
    assert 9.0 < seen[39] - 39.0 < 11.0


def test_a_camera_whose_seconds_are_a_little_short_is_kept_within_about_a_second() -> None:
    clock = LiveClock()
    last = 0.0
    for k in range(100_000):
        last = clock.time(0.0999 * k, 0.1 * k)  # 1 in 1000, for almost three hours: it would be 10 s behind
    assert last == pytest.approx(9999.9, abs=1.1)


def test_time_never_runs_backwards() -> None:
    import random

    draw = random.Random(5)
    clock, arrived, last = LiveClock(), 0.0, 0.0
    for k in range(5000):
        arrived += draw.choice([0.0, 0.0, 0.04, 0.2, 3.0])
        stamp = draw.choice([None, 0.04 * k, 0.04 * k, draw.uniform(-1e6, 1e6)])
        if draw.random() < 0.01:
            clock.reconnected()
        now = clock.time(stamp, arrived)
        assert now >= last
        last = now
    assert last == pytest.approx(arrived, abs=11.0)


def test_pieces_that_arrive_at_once_are_not_drawn_to_their_arrival() -> None:
    clock = LiveClock(tolerance=None)
    assert times([(0.5 * k, 0.0) for k in range(41)], clock)[-1] == 20.0
    assert times([(20.5, 30.0)], clock) == [20.5]
