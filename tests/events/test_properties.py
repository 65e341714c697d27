"""What holds for events of any rows: random sequences under several rules, and a slow reading of the rules beside them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from kinema.events import Event, EventDetector, EventRules, LabelRule, events_of

CLASSES = ["a", "b", "c"]
RULES = {
    "defaults": EventRules(),
    "raw, everything an event": EventRules("none", default=LabelRule(0.4, 0.3, 0.0, 1, 0.0, 0.0)),
    "raw, long": EventRules("none", default=LabelRule(0.5, 0.2, 0.75, 4, 1.0, 5.0)),
    "min seconds only": EventRules("none", default=LabelRule(0.4, 0.4, 0.5, 1, 0.25, 2.0)),
    "median with background": EventRules(
        "median", 0.5, background=("c",), default=LabelRule(0.45, 0.35, 0.25, 2, 0.5, 3.0)
    ),
    "lag": EventRules("exponential", 0.3, default=LabelRule(0.45, 0.35, 0.0, 1, 0.25, 1.0), lag=1.1),
    "unknown": EventRules(
        "none", default=LabelRule(0.4, 0.3, 0.0, 2, 0.5, 0.0), unknown=0.5, unknown_energy=1.0, partial=True
    ),
    "own rules": EventRules(
        "exponential", 0.2, default=LabelRule(0.6, 0.4, 0.25, 2, 0.0, 0.0),
        per_label={"b": LabelRule(0.35, 0.3, 0.0, 1, 1.5, 4.0)},
    ),
}  # fmt: skip

Rows = tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_]]


def random_rows(seed: int, count: int = 240) -> Rows:
    """Rows that stay with a class for a while, on a clock of eighths of a second that skips, repeats and stops for 10 s."""
    rng = np.random.default_rng(seed)
    steps = rng.choice([0.0, 0.125, 0.25, 0.375, 10.0], count, p=[0.05, 0.7, 0.15, 0.08, 0.02])
    level = np.zeros((count, 3))
    current = np.zeros(3)
    for number in range(count):
        if rng.random() < 0.2:
            current = rng.normal(0, 1.5, 3)
        level[number] = current + rng.normal(0, 0.4, 3)
    rows = np.exp(level) / np.exp(level).sum(axis=1, keepdims=True)
    rows[rng.random(count) < 0.02] = np.nan
    full = np.arange(count) >= 5
    return np.cumsum(steps), rows.astype(np.float32), rng.normal(0, 1, count), full


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("seed", range(6))
def test_events_of_any_rows_obey_their_rules(name: str, seed: int) -> None:
    wanted = RULES[name]
    times, rows, energies, full = random_rows(seed)
    end = float(times[-1])
    events = events_of(times, rows, CLASSES, wanted, end=end, energies=energies, full=full, source="v.mp4")
    assert (
        events_of(times, rows, CLASSES, wanted, end=end, energies=energies, full=full, source="v.mp4")
        == events
    )
    assert [e.start for e in events] == sorted(e.start for e in events)
    assert len({e.id for e in events}) == len(events)
    for event in events:
        rule = wanted.rule(event.label)
        assert 0 <= event.start < event.end and event.start <= event.peak_time <= event.end
        assert event.ended and event.label not in wanted.background
        assert event.rows >= rule.consecutive
        assert event.peak >= np.float32(rule.enter) and event.peak >= event.mean - 1e-6
        assert event.mean >= rule.leave - 1e-6
        assert event.means[event.label] == event.mean and set(event.means) == set(CLASSES)
        if event.start > 0 or not wanted.lag:
            assert event.seconds >= rule.min_seconds - 1e-9
    for label in CLASSES:
        own = [event for event in events if event.label == label]
        for before, after in pairwise(own):
            assert after.start >= before.end
        rule, alerted = wanted.rule(label), None
        for event in own if not wanted.lag else []:
            assert event.alert == (alerted is None or event.start - alerted >= rule.cooldown)
            alerted = event.end if event.alert else alerted


@pytest.mark.parametrize("name", RULES)
def test_what_is_told_row_by_row_is_what_a_whole_timeline_gives(name: str) -> None:
    wanted = RULES[name]
    total = 0
    for seed in range(6):
        times, rows, energies, full = random_rows(seed)
        whole = events_of(times, rows, CLASSES, wanted, end=float(times[-1]), energies=energies, full=full)
        detector = EventDetector(CLASSES, wanted)
        begun: dict[str, Event] = {}
        ended: list[Event] = []
        for number, time in enumerate(times.tolist()):
            told = detector.push(
                time, rows[number].tolist(), energy=float(energies[number]), full=bool(full[number])
            )
            for event in told:
                if event.ended:
                    # Each event that ends has begun, and once only.
                    start = begun.pop(event.id)
                    assert (start.start, start.label, start.alert) == (event.start, event.label, event.alert)
                    ended.append(event)
                else:
                    assert event.id not in begun
                    begun[event.id] = event
        for event in detector.finish(float(times[-1])):
            del begun[event.id]
            ended.append(event)
        assert not begun
        assert sorted(ended, key=lambda e: (e.start, e.label)) == whole
        total += len(whole)
    assert total > 10  # or the test would say nothing


def slow_reading(
    times: list[float], values: list[float], rule: LabelRule
) -> list[tuple[float, float, int, float]]:
    """Find the events of one label by looking back and forth over all rows: start, end, rows, sum of probabilities."""
    count, found, row = len(times), [], 0

    def seen(first: int, last: int) -> bool:
        return all(times[i + 1] - times[i] <= 2 for i in range(first, last))

    while row < count:
        last = row
        while last < count and seen(row, last) and all(v >= rule.enter for v in values[row : last + 1]):
            if last - row + 1 >= rule.consecutive and times[last] - times[row] >= rule.min_seconds:
                break
            last += 1
        else:
            row += 1
            continue
        inside = list(range(row, last + 1))
        while True:
            following = inside[-1] + 1
            if following < count and values[following] >= rule.leave and seen(inside[-1], following):
                inside.append(following)
                continue
            back = [
                i
                for i in range(following, count)
                if values[i] >= rule.enter
                and times[i] - times[inside[-1]] <= rule.merge_gap
                and seen(inside[-1], i)
            ]
            if not back:
                break
            inside.append(back[0])
        found.append((times[row], times[inside[-1]], len(inside), sum(values[i] for i in inside)))
        row = inside[-1] + 1
    return found


@pytest.mark.parametrize("seed", range(40))
def test_the_detector_finds_what_a_slow_reading_of_the_rules_finds(seed: int) -> None:
    rng = np.random.default_rng(1000 + seed)
    times, rows, _, _ = random_rows(seed, 150)
    enter = float(rng.choice([0.4, 0.5, 0.6]))
    rule = LabelRule(
        enter,
        float(rng.choice([enter, enter / 2, 0.0])),
        float(rng.choice([0.0, 0.25, 1.0])),
        int(rng.choice([1, 2, 5])),
        float(rng.choice([0.0, 0.125, 0.5, 2.0, 30.0])),
        0.0,
    )
    wanted = EventRules("none", labels=("a",), default=rule)
    values = np.nan_to_num(rows[:, 0], nan=-1.0).astype(np.float64).tolist()
    expected = slow_reading(times.tolist(), values, rule)
    events = events_of(times, rows, CLASSES, wanted, end=float(times[-1]))
    assert [(e.start, e.rows) for e in events] == [(start, count) for start, _, count, _ in expected]
    for event, (start, end, count, total) in zip(events, expected, strict=True):
        assert event.end == pytest.approx(max(end, start + 0.001), abs=1e-12)
        assert event.mean == pytest.approx(total / count, abs=1e-6)
