"""Rules chosen on valid: the best F1, a wanted rate of false alarms, ties, and what is said when it cannot be met."""

from __future__ import annotations

import numpy as np
import pytest

from kinema.errors import DataError, UsageError
from kinema.evaluation.events.choosing import FRAME_GRID, RuleGrid, choose_rules
from kinema.evaluation.events.scoring import Labelled
from kinema.evaluation.events.videos import LabelledVideo, VideoRows, find_events, score_videos
from kinema.events import EventRules, LabelRule

CLASSES = ["idle", "fall"]
BASE = EventRules(background=("idle",), default=LabelRule(cooldown=7.0))
STEP = 0.1


def video(falls: list[float], truth: list[Labelled], name: str = "v") -> LabelledVideo:
    """Synthetic rows at ten a second with these probabilities of a fall."""
    fall = np.array(falls, np.float32)
    count = len(fall)
    rows = VideoRows(
        np.arange(count) * STEP,
        np.stack([1 - fall, fall], axis=1),
        np.zeros(count, np.float32),
        np.ones(count, np.bool_),
        count * STEP,
    )
    return LabelledVideo(name, rows, truth, name)


def held(*parts: tuple[float, float]) -> list[float]:
    """Seconds and the probability that is held over them."""
    return [value for seconds, value in parts for _ in range(round(seconds / STEP))]


def late(lag: float) -> LabelledVideo:
    """A fall from 5 to 9 s that the rows show `lag` seconds late."""
    return video(held((5 + lag, 0.05), (4, 0.9), (11 - lag, 0.05)), [("fall", 5.0, 9.0)])


def test_a_clear_case_gets_the_simplest_rules_and_the_middle_of_what_is_equally_good() -> None:
    chosen = choose_rules([late(0)], CLASSES, span=2.0, base=BASE)
    rules, rule = chosen.rules, chosen.rules.default
    assert chosen.counts.f1 == 1.0 and chosen.met
    assert (rules.smoothing, rules.lag, rules.partial) == ("none", 0.0, False)
    assert (rule.min_seconds, rule.consecutive, rule.merge_gap) == (0.0, 1, 0.0)
    assert rule.enter == rule.leave == 0.5  # 0.2 to 0.9 all find it
    assert rule.cooldown == 7.0 and rules.background == ("idle",)  # the base's


def test_a_lag_is_found_where_rows_run_behind() -> None:
    # 4 s shown 2 s late: tIoU 2/6 without a lag, 1 with half of the clip's 4 s, 3/5 with a quarter or three quarters.
    chosen = choose_rules([late(2.0)], CLASSES, span=4.0, base=BASE)
    assert chosen.rules.lag in (1.0, 2.0)
    assert chosen.counts.f1 == 1.0


def test_flicker_is_smoothed_or_outwaited() -> None:
    # Single rows at 0.9 where nothing happens, and a fall with single rows at 0.1 in it.
    quiet = held((1, 0.1), (0.1, 0.9)) * 6
    fall = held((0.7, 0.9), (0.1, 0.1)) * 5
    truth: list[Labelled] = [("fall", 6.6, 10.6)]
    flicker = video(quiet + fall + quiet, truth)
    chosen = choose_rules([flicker], CLASSES, span=2.0, base=BASE)
    assert chosen.counts.f1 == 1.0 and chosen.counts.alarms == 0
    frames = choose_rules([flicker], CLASSES, span=2.0, base=BASE, grid=FRAME_GRID)
    assert frames.counts.right == 0  # a threshold for rows breaks the fall to pieces, or calls everything one


def test_what_is_chosen_is_what_the_detector_then_finds() -> None:
    rng = np.random.default_rng(3)
    videos = [
        video(np.clip(np.cumsum(rng.normal(0, 0.15, 150)) + 0.4, 0, 1).tolist(), [("fall", 3.0, 7.0)], str(i))
        for i in range(6)
    ]
    chosen = choose_rules(videos, CLASSES, span=2.0, base=BASE)
    scores = score_videos(videos, find_events(videos, CLASSES, chosen.rules), ["fall"])
    assert (chosen.counts.right, chosen.counts.found) == (scores.at(0.5).sum(), scores.found.sum())
    assert chosen.counts.right > 0


def two_kinds() -> list[LabelledVideo]:
    """Falls at 0.6 and at 0.9, and something else at 0.7 in ten minutes."""
    falls = video(
        held((5, 0.05), (5, 0.6), (5, 0.05), (5, 0.9)), [("fall", 5.0, 10.0), ("fall", 15.0, 20.0)], "falls"
    )
    other = video(held((100, 0.05), (5, 0.7), (485, 0.05)), [], "other")
    return [falls, other]


def test_a_wanted_rate_of_false_alarms_costs_recall() -> None:
    free = choose_rules(two_kinds(), CLASSES, span=2.0, base=BASE)
    assert (free.counts.right, free.counts.alarms) == (2, 1)  # F1 0.8
    bound = choose_rules(two_kinds(), CLASSES, span=2.0, base=BASE, false_alarms_per_hour=0.5)
    assert (bound.counts.right, bound.counts.alarms) == (1, 0)  # F1 2/3
    assert bound.met and bound.counts.per_hour == 0.0
    assert bound.rules.default.enter > 0.7
    loose = choose_rules(two_kinds(), CLASSES, span=2.0, base=BASE, false_alarms_per_hour=6.2)
    assert (loose.counts.right, loose.counts.per_hour) == (2, pytest.approx(6.0))


def test_a_rate_that_cannot_be_met_is_said_with_the_lowest() -> None:
    # The other thing looks just like the fall, so whatever finds the one finds the other: 1 in 20 s.
    videos = [
        video(held((5, 0.05), (5, 0.8), (5, 0.05)), [("fall", 5.0, 10.0)], "a"),
        video(held((5, 0.05), (5, 0.8)), [], "b"),
    ]
    chosen = choose_rules(videos, CLASSES, span=2.0, base=BASE, false_alarms_per_hour=10)
    assert not chosen.met
    assert chosen.lowest_rate == pytest.approx(180.0)  # 3600 / 20
    assert (chosen.counts.right, chosen.counts.alarms) == (1, 1)
    assert any("10 false alarms an hour cannot be kept to" in note and "180" in note for note in chosen.notes)
    assert any("20 s without a label" in note for note in chosen.notes)


def test_to_find_nothing_is_not_to_keep_to_a_rate() -> None:
    nothing = video(held((5, 0.01)), [("fall", 1.0, 3.0)])
    chosen = choose_rules([nothing], CLASSES, span=2.0, base=BASE, false_alarms_per_hour=0)
    assert not chosen.met and chosen.lowest_rate is None
    assert "No setting finds a single segment" in chosen.notes[0]


def test_the_curve_is_over_the_enter_threshold() -> None:
    chosen = choose_rules(two_kinds(), CLASSES, span=2.0, base=BASE, false_alarms_per_hour=0.5)
    curve = {enter: (f1, rate) for enter, f1, rate in chosen.curve}
    assert len(curve) == 19
    assert curve[0.5] == (pytest.approx(0.8), pytest.approx(6.0))
    assert curve[0.8] == (pytest.approx(2 / 3), 0.0)
    assert curve[0.95] == (0.0, 0.0)


def test_rules_of_single_labels_keep_their_cooldown_alone() -> None:
    base = EventRules(background=("idle",), per_label={"fall": LabelRule(0.99, 0.98, cooldown=60.0)})
    chosen = choose_rules([late(0)], CLASSES, span=2.0, base=base)
    assert chosen.counts.f1 == 1.0
    assert chosen.rules.rule("fall").cooldown == 60.0
    assert chosen.rules.rule("fall").enter == chosen.rules.default.enter < 0.95


def test_what_cannot_be_chosen_on_is_refused() -> None:
    with pytest.raises(DataError, match="no video to choose event rules on"):
        choose_rules([], CLASSES, span=2.0, base=BASE)
    with pytest.raises(DataError, match="hold no segment of fall"):
        choose_rules([video(held((2, 0.9)), [])], CLASSES, span=2.0, base=BASE)
    with pytest.raises(UsageError, match="at least 0"):
        choose_rules([late(0)], CLASSES, span=2.0, base=BASE, false_alarms_per_hour=-1)


def test_a_grid_of_ones_own() -> None:
    grid = RuleGrid((("median", 0.5),), (0.4,), (0.1,), (0.5,), (2,), (1.0,), (0.25,), (False,))
    chosen = choose_rules([late(0)], CLASSES, span=2.0, base=BASE, grid=grid)
    rule = chosen.rules.default
    assert chosen.tried == 1
    assert (chosen.rules.smoothing, rule.enter, rule.leave, rule.consecutive, chosen.rules.lag) == (
        "median",
        0.4,
        0.3,
        2,
        0.5,
    )
