"""Event rules chosen on valid: the best F1, or the best within a wanted rate of false alarms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from kinema.errors import DataError, UsageError
from kinema.evaluation.events.grid import Counts, RuleSearch
from kinema.evaluation.events.videos import LabelledVideo
from kinema.events import EventRules
from kinema.events.rules import Smoothing

_KEPT = 16  # settings of the first round whose details are tried
_SAME = 1e-12


@dataclass(frozen=True)
class RuleGrid:
    """The settings that are tried. `drop`: how far `leave` lies below `enter`; `lag`: shares of the clip's seconds.

    First every smoothing, `enter`, `drop`, `lag` and `partial` with the shortest durations and gaps; then every
    `min_seconds`, `consecutive` and `merge_gap` with the best of these; then `enter` in steps of 0.01 around the best.
    """

    smoothing: tuple[tuple[Smoothing, float], ...] = (
        ("none", 0.0),
        ("exponential", 0.3),
        ("exponential", 0.6),
        ("exponential", 1.2),
        ("median", 0.5),
        ("median", 1.0),
    )
    enter: tuple[float, ...] = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
    drop: tuple[float, ...] = (0.0, 0.1, 0.2, 0.4)
    min_seconds: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0)
    consecutive: tuple[int, ...] = (1, 2, 3, 5)
    merge_gap: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0)
    lag: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75)
    partial: tuple[bool, ...] = (False, True)


_THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
FRAME_GRID = RuleGrid((("none", 0.0),), _THRESHOLDS, (0.0,), (0.0,), (1,), (0.0,), (0.0,))
"""A threshold for single rows: each run of rows at it or above is an event."""


@dataclass(frozen=True)
class ChosenRules:
    """What `choose_rules` found: the `rules`, what they give on the videos they were chosen on, how many settings were
    `tried`, and `notes` in sentences. `met`: whether the wanted rate was; `lowest_rate`: the lowest false-alarm rate of
    the settings that find anything right. `curve`: `(enter, F1, false alarms an hour)`, all else as chosen."""

    rules: EventRules
    counts: Counts
    tried: int
    met: bool
    lowest_rate: float | None
    curve: list[tuple[float, float, float]]
    notes: list[str]


def choose_rules(
    videos: Sequence[LabelledVideo],
    classes: Sequence[str],
    *,
    span: float,
    base: EventRules | None = None,
    grid: RuleGrid | None = None,
    false_alarms_per_hour: float | None = None,
) -> ChosenRules:
    """Choose the rules with the highest F1 at temporal IoU 0.5 on these videos, which must not be those of the test.

    - `span`: seconds of a clip, `ClipSpec.span`. `base`: what stays as it is: labels, background, what is unknown,
      cooldowns; one enter threshold and the like serve all labels.
    - `false_alarms_per_hour`: only rules with at most so many (the sum over the labels, as
      `kinema.evaluation.events.numbers` counts them). Where no setting that finds anything right keeps to it, the one with
      the fewest false alarms is returned, and `met` is false.

    Of equally good settings the simplest is taken: with the fewest of smoothing, delays, gaps, lag and hysteresis, the
    smallest of these, and `enter` in the middle of what is equally good. Rows are read once; a setting costs less than a
    millisecond.

    Raises `UsageError` for a rate below 0 and rules that do not fit the classes, `DataError` without videos or segments.
    """
    if false_alarms_per_hour is not None and not 0 <= false_alarms_per_hour < np.inf:
        raise UsageError(f"false alarms an hour: {false_alarms_per_hour:g}; give a number of at least 0")
    if not videos:
        raise DataError(
            "there is no video to choose event rules on; give valid videos that training has not seen"
        )
    base, grid = base or EventRules(), grid or RuleGrid()
    search = RuleSearch(videos, classes, base)
    if not search.segments:
        raise DataError(
            f"the videos to choose event rules on hold no segment of {', '.join(search.labels[:5])}; "
            "label some, or give rules with --rules"
        )
    tries: dict[EventRulesKey, tuple[EventRules, Counts]] = {}

    def look(settings: Iterable[EventRules]) -> None:
        for rules in settings:
            if (key := _key(rules)) not in tries:
                tries[key] = rules, search.try_rules(rules)

    limit = np.inf if false_alarms_per_hour is None else false_alarms_per_hour + _SAME
    look(_first_round(base, grid, span))
    look(_second_round(_promising(list(tries.values()), limit), grid))
    best, met = _best(list(tries.values()), limit)
    if len(grid.enter) > 1:
        look(_enter(best, value) for value in np.arange(-0.09, 0.1, 0.01) + best.default.enter)
        best, met = _best(list(tries.values()), limit)
    counts = search.try_rules(best)
    hits = [found.per_hour for _, found in tries.values() if found.right]
    lowest = min(hits) if hits else None
    curve = []
    for enter in _THRESHOLDS:
        found = search.try_rules(_enter(best, enter))
        curve.append((enter, found.f1, found.per_hour))
    notes = _notes(search, counts, met, lowest, false_alarms_per_hour)
    return ChosenRules(best, counts, len(tries), met, lowest, curve, notes)


EventRulesKey = tuple[object, ...]


def _key(rules: EventRules) -> EventRulesKey:
    rule = rules.default
    return (
        rules.smoothing, rules.smoothing_seconds, rules.partial, rules.lag,
        rule.min_seconds, rule.consecutive, rule.merge_gap, rule.enter, rule.leave,
    )  # fmt: skip


def _changed(rules: EventRules, **changes: object) -> EventRules:
    """Return rules with another default; rules of single labels keep no more than their cooldown."""
    made = rules.with_default(**changes)
    own = {name: replace(made.default, cooldown=rule.cooldown) for name, rule in rules.per_label.items()}
    return replace(made, per_label=own)


def _enter(rules: EventRules, enter: float) -> EventRules:
    """Return rules with another enter threshold, `leave` as far below it as before."""
    drop = rules.default.enter - rules.default.leave
    enter = round(float(np.clip(enter, 0.01, 0.99)), 4)
    return _changed(rules, enter=enter, leave=round(max(0.0, enter - drop), 4))


def _first_round(base: EventRules, grid: RuleGrid, span: float) -> Iterator[EventRules]:
    shortest = {
        "min_seconds": min(grid.min_seconds),
        "consecutive": min(grid.consecutive),
        "merge_gap": min(grid.merge_gap),
    }
    for (smoothing, seconds), partial, lag in product(grid.smoothing, grid.partial, grid.lag):
        whole = replace(
            base, smoothing=smoothing, smoothing_seconds=seconds, partial=partial, lag=round(lag * span, 4)
        )
        for enter, drop in product(grid.enter, grid.drop):
            leave = round(max(0.0, enter - drop), 4)
            yield _changed(whole, enter=enter, leave=leave, **shortest)


def _second_round(kept: Sequence[EventRules], grid: RuleGrid) -> Iterator[EventRules]:
    for rules in kept:
        for seconds, rows, gap in product(grid.min_seconds, grid.consecutive, grid.merge_gap):
            yield _changed(rules, min_seconds=seconds, consecutive=rows, merge_gap=gap)


def _promising(tries: Sequence[tuple[EventRules, Counts]], limit: float) -> list[EventRules]:
    """Return the best by F1 alone, since longer durations can still silence false alarms, the best within the limit, and,
    where there is one, those with the fewest false alarms."""
    ordered = sorted(tries, key=lambda one: (-one[1].f1, _complexity(one[0])))
    within = [one for one in ordered if one[1].per_hour <= limit]
    quiet = sorted((one for one in ordered if one[1].right), key=lambda one: one[1].per_hour)
    found: dict[EventRulesKey, EventRules] = {}
    for part in (ordered, within, quiet if np.isfinite(limit) else []):
        found |= {_key(rules): rules for rules, _ in part[:_KEPT]}
    return list(found.values())


def _best(tries: Sequence[tuple[EventRules, Counts]], limit: float) -> tuple[EventRules, bool]:
    """Return the best rules, and whether they keep to the limit."""
    hitting = [one for one in tries if one[1].right]
    within = [one for one in hitting if one[1].per_hour <= limit]
    pool = within
    if not within:
        lowest = min((counts.per_hour for _, counts in hitting or tries), default=0.0)
        pool = [one for one in hitting or tries if one[1].per_hour <= lowest + _SAME]
    top = max(counts.f1 for _, counts in pool)
    equal = [rules for rules, counts in pool if counts.f1 >= top - _SAME]
    simplest = min(_complexity(rules) for rules in equal)
    alike = sorted(
        (rules for rules in equal if _complexity(rules) == simplest), key=lambda rules: rules.default.enter
    )
    # The middle of a plateau, not its edge: the next videos are a little different.
    return alike[(len(alike) - 1) // 2], bool(within)


def _complexity(rules: EventRules) -> tuple[float, ...]:
    rule = rules.default
    smoothing = 0.0 if rules.smoothing == "none" else rules.smoothing_seconds
    drop = round(rule.enter - rule.leave, 4)
    parts = (
        smoothing,
        float(rules.partial),
        rules.lag,
        rule.min_seconds,
        rule.consecutive - 1.0,
        rule.merge_gap,
        drop,
    )
    return (sum(part > 0 for part in parts), sum(parts))


def _notes(
    search: RuleSearch, counts: Counts, met: bool, lowest: float | None, wanted: float | None
) -> list[str]:
    notes = []
    if not counts.right:
        notes.append("No setting finds a single segment at temporal IoU 0.5; the rules say nothing.")
    elif not met and wanted is not None and lowest is not None:
        notes.append(
            f"{wanted:g} false alarms an hour cannot be kept to: the fewest with anything found right are "
            f"{lowest:.3g} an hour, and these rules have them."
        )
    hours = search.quiet_hours
    if hours and (wanted is None or 1 / hours > wanted):
        notes.append(
            f"The rules were chosen on {3600 * hours:.0f} s without a label, where one false alarm is {1 / hours:.3g} an "
            "hour: a lower rate cannot be told from none there."
        )
    if search.segments < 20:
        notes.append(
            f"They were chosen on {search.segments} segments, which is few: expect less on other videos."
        )
    return notes
