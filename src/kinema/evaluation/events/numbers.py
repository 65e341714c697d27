"""The numbers of event scores, with intervals over groups: what `events.json` holds and the page shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinema.evaluation.bootstrap import RESAMPLES, Interval, bootstrap, sum_by_group
from kinema.evaluation.events.matching import average_precision, precision_recall
from kinema.evaluation.events.scoring import MAIN_TIOU, EventScores

SHOWN = (0.3, 0.5, 0.7)
HOUR = 3600.0
Floats = NDArray[np.float64]


def f1_of(scores: EventScores, threshold: float = MAIN_TIOU) -> float | None:
    """Return 2 right / (found + truth) over all labels; None where there is neither an event nor a segment."""
    return _ratio(2 * scores.at(threshold).sum(), scores.found.sum() + scores.truth.sum())


def false_alarms_per_hour(scores: EventScores) -> float | None:
    """Return the sum over the labels of false alarms an hour of video without the label: what to expect in an hour in
    which none of them happens. None where every video is full of every label."""
    return _rate(scores.alarms.sum(axis=0), scores.quiet.sum(axis=0))


def event_numbers(scores: EventScores, *, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Any]:
    """Return every number, with `Interval`s as dictionaries; undefined ones are None.

    - `at`: by threshold of temporal IoU (text), precision, recall and F1 over all labels, and `macro_f1`, the mean over
      the labels that have segments. `map`: mean average precision over the same labels, `mean` over all thresholds. It is
      that of the events the rules let pass, so recall ends where they end.
    - `false_alarms`: `count`, `per_hour` (see `false_alarms_per_hour`); `detection`: share of the segments that an event of
      their label touches; `delay`: seconds to the announcement, of the detected ones.
    - `per_label`, `videos`, `hours`, `segments`, `events`, `groups`.

    The intervals are those of `kinema.evaluation.bootstrap`: whole groups are drawn.
    """
    draw = _Draws(scores, resamples, seed)
    found, truth = scores.found.sum(axis=1), scores.truth.sum(axis=1)
    at = {}
    for threshold in SHOWN:
        hits = scores.at(threshold).sum(axis=1)
        at[f"{threshold:g}"] = {
            "precision": draw.ratio(hits, found),
            "recall": draw.ratio(hits, truth),
            "f1": draw.ratio(2 * hits, found + truth),
            "macro_f1": _mean([row["f1"] for row in _per_label(scores, threshold) if row["segments"]]),
        }
    delays = [one.delay for one in scores.awaited if one.delay is not None]
    return {
        "videos": len(scores.durations),
        "hours": float(scores.durations.sum()) / HOUR,
        "groups": len(np.unique(scores.groups)),
        "segments": int(truth.sum()),
        "events": int(found.sum()),
        "at": at,
        "map": {
            **{f"{threshold:g}": draw.mean_average_precision(threshold) for threshold in SHOWN},
            "mean": _mean([_map(scores, threshold) for threshold in scores.thresholds]),
            "over": list(scores.thresholds),
        },
        "false_alarms": {
            "count": int(scores.alarms.sum()),
            "per_hour": draw.alarm_rate(),
            "quiet_hours": {
                label: float(seconds) / HOUR
                for label, seconds in zip(scores.labels, scores.quiet.sum(axis=0), strict=True)
            },
        },
        "detection": {
            "rate": draw.ratio(scores.detected.sum(axis=1), truth),
            "detected": int(scores.detected.sum()),
            "missed": int(truth.sum() - scores.detected.sum()),
        },
        "delay": _delay(delays),
        "per_label": _per_label(scores, MAIN_TIOU),
    }


def f1_difference(
    scores: EventScores,
    baseline: EventScores,
    threshold: float = MAIN_TIOU,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Any]:
    """Return F1 minus that of a baseline on the same videos, paired: each resample draws the same groups for both."""
    columns = [
        column
        for one in (scores, baseline)
        for column in (
            2 * one.at(threshold).sum(axis=1),
            one.found.sum(axis=1) + one.truth.sum(axis=1),
        )
    ]
    sums = sum_by_group(np.stack(columns, axis=1).astype(np.float64), scores.groups)

    def gain(s: Floats) -> Floats:
        return _divided(s[:, 0], s[:, 1], 0.0) - _divided(s[:, 2], s[:, 3], 0.0)

    return _plain(bootstrap(sums, gain, resamples=resamples, seed=seed))


def precision_recall_points(scores: EventScores, threshold: float) -> list[tuple[float, float]]:
    """Return `(recall, precision)` of all labels' events together, from the surest down."""
    place = scores.thresholds.index(threshold)
    total = int(scores.truth.sum())
    if not total or not scores.found.sum():
        return []
    hits = np.concatenate([right[place] for _, _, right in scores.ranked])
    sure = np.concatenate([score for _, score, _ in scores.ranked])
    precision, recall = precision_recall(hits, sure, total)
    return list(zip(recall.tolist(), precision.tolist(), strict=True))


class _Draws:
    """Numbers with their intervals over the groups of one set of scores."""

    def __init__(self, scores: EventScores, resamples: int, seed: int) -> None:
        self.scores = scores
        self.settings: dict[str, int] = {"resamples": resamples, "seed": seed}

    def ratio(self, over: NDArray[np.int64], under: NDArray[np.int64]) -> dict[str, Any] | None:
        """Return the ratio of two sums over videos `(V,)`."""
        whole = _ratio(over.sum(), under.sum())
        if whole is None:
            return None
        return self._interval(np.stack([over, under], axis=1), lambda s: _divided(s[:, 0], s[:, 1], whole))

    def alarm_rate(self) -> dict[str, Any] | None:
        scores, count = self.scores, len(self.scores.labels)
        if false_alarms_per_hour(scores) is None:
            return None

        def rate(s: Floats) -> Floats:
            return np.asarray(HOUR * _divided(s[:, :count], s[:, count:], 0.0).sum(axis=1))

        return self._interval(np.concatenate([scores.alarms, scores.quiet], axis=1), rate)

    def mean_average_precision(self, threshold: float) -> dict[str, Any] | None:
        """Return mAP; a resample counts the events and segments of a group as often as it was drawn."""
        scores = self.scores
        whole = _map(scores, threshold)
        if whole is None:
            return None
        names, group = np.unique(scores.groups, return_inverse=True)
        place = scores.thresholds.index(threshold)
        ordered = []
        for videos, score, hits in scores.ranked:
            order = np.argsort(-score, kind="stable")
            ordered.append((group[videos[order]], hits[place][order]))
        totals = sum_by_group(scores.truth.astype(np.float64), scores.groups)

        def drawn(times: Floats) -> Floats:
            found = [_weighted(times, *part, times @ totals[:, i]) for i, part in enumerate(ordered)]
            table = np.stack(found, axis=1)
            known = np.isfinite(table)
            return _divided(np.where(known, table, 0.0).sum(axis=1), known.sum(axis=1), whole)

        return _plain(bootstrap(np.eye(len(names)), drawn, **self.settings))

    def _interval(self, columns: NDArray[Any], statistic: Callable[[Floats], Floats]) -> dict[str, Any]:
        sums = sum_by_group(columns.astype(np.float64), self.scores.groups)
        return _plain(bootstrap(sums, statistic, **self.settings))


def _weighted(times: Floats, group: NDArray[np.int64], hits: NDArray[np.bool_], total: Floats) -> Floats:
    """Return the average precision `(B,)` where each event counts as often as its group, `(B, G)`; NaN without segments."""
    found = np.full(len(times), np.nan)
    for row in np.flatnonzero(total > 0):
        weight = times[row, group]
        right, seen = np.cumsum(weight * hits), np.cumsum(weight)
        precision = np.divide(right, seen, out=np.zeros_like(seen), where=seen > 0)
        highest = np.maximum.accumulate(precision[::-1])[::-1]
        found[row] = np.sum(weight * hits * highest) / total[row]
    return found


def _per_label(scores: EventScores, threshold: float) -> list[dict[str, Any]]:
    rows = []
    place = scores.thresholds.index(threshold)
    for i, label in enumerate(scores.labels):
        found, truth = int(scores.found[:, i].sum()), int(scores.truth[:, i].sum())
        hits = {t: int(scores.at(t)[:, i].sum()) for t in SHOWN}
        _, score, right = scores.ranked[i]
        mine = [one for one in scores.awaited if one.label == label]
        rows.append(
            {
                "label": label,
                "segments": truth,
                "events": found,
                "right": hits[threshold],
                "precision": _ratio(hits[threshold], found),
                "recall": _ratio(hits[threshold], truth),
                "f1": _ratio(2 * hits[threshold], found + truth),
                "f1_at": {f"{t:g}": _ratio(2 * hits[t], found + truth) for t in SHOWN},
                "average_precision": average_precision(right[place], score, truth) if truth else None,
                "false_alarms": int(scores.alarms[:, i].sum()),
                "false_alarms_per_hour": _rate(scores.alarms[:, [i]].sum(0), scores.quiet[:, [i]].sum(0)),
                "detected": int(scores.detected[:, i].sum()),
                "missed": truth - int(scores.detected[:, i].sum()),
                "delay": _delay([one.delay for one in mine if one.delay is not None]),
            }
        )
    return rows


def _map(scores: EventScores, threshold: float) -> float | None:
    place = scores.thresholds.index(threshold)
    totals = scores.truth.sum(axis=0)
    return _mean(
        [
            average_precision(hits[place], score, int(total))
            for (_, score, hits), total in zip(scores.ranked, totals, strict=True)
            if total
        ]
    )


def _delay(delays: list[float]) -> dict[str, Any]:
    """Seconds to the announcement: median and 90th percentile (linear between the two nearest)."""
    if not delays:
        return {"median": None, "p90": None, "count": 0}
    median, p90 = np.percentile(delays, [50, 90])
    return {"median": float(median), "p90": float(p90), "count": len(delays)}


def _plain(found: Interval) -> dict[str, Any]:
    if found.low is not None and found.high is not None and found.high - found.low < 1e-12:
        note = "every group gives the same value, so the groups cannot show how it varies"
        found = replace(found, low=None, high=None, method="none", note=note)
    return asdict(found)


def _rate(alarms: NDArray[np.int64], quiet: Floats) -> float | None:
    if not (quiet > 0).any():
        return None
    return float(HOUR * _divided(alarms.astype(np.float64), quiet, 0.0).sum())


def _divided(over: Floats, under: NDArray[Any], empty: float) -> Floats:
    return np.divide(over, under, out=np.full(np.shape(over), empty, np.float64), where=np.asarray(under) > 0)


def _ratio(over: Any, under: Any) -> float | None:
    return float(over) / float(under) if under else None


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
