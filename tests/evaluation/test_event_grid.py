"""The quick search over settings finds what the detector finds, event by event."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kinema.evaluation.events.grid import RuleSearch
from kinema.evaluation.events.numbers import false_alarms_per_hour
from kinema.evaluation.events.scoring import Labelled
from kinema.evaluation.events.videos import LabelledVideo, VideoRows, find_events, score_videos
from kinema.events import EventRules, LabelRule

CLASSES = ["idle", "fall", "fight"]


def restless(seed: int, *, count: int = 120, gap: bool = False) -> LabelledVideo:
    """Synthetic rows at 5 a second that wander between classes; with a time of 6 s without rows where asked for."""
    rng = np.random.default_rng(seed)
    logits = np.cumsum(rng.normal(0, 0.9, (count, 3)), axis=0)
    logits -= logits.mean(axis=0)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    times = np.arange(count) * 0.2
    if gap:
        times[count // 2 :] += 6
    truth: list[Labelled] = [("fall", 3.0, 8.0), ("fight", 6.0, 12.0), ("fall", 15.0, 18.0)][: seed % 4]
    rows = VideoRows(
        times,
        probabilities.astype(np.float32),
        rng.normal(-3, 1, count).astype(np.float32),
        np.arange(count) >= 9,
        float(times[-1] + 0.2),
    )
    return LabelledVideo(f"synthetic {seed}", rows, truth, str(seed))


def settings() -> list[EventRules]:
    rng = np.random.default_rng(0)
    found = []
    for smoothing, seconds in (("none", 0.0), ("exponential", 0.6), ("median", 1.0)):
        for _ in range(25):
            enter = float(rng.choice([0.3, 0.5, 0.7, 0.9]))
            rule = LabelRule(
                enter,
                max(0.0, enter - float(rng.choice([0, 0.2, 0.5]))),
                float(rng.choice([0, 0.4, 1.0])),
                int(rng.integers(1, 4)),
                float(rng.choice([0, 0.2, 1.0, 3.0])),
            )
            found.append(
                EventRules(
                    smoothing,  # type: ignore[arg-type]
                    seconds,
                    background=("idle",),
                    default=rule,
                    lag=float(rng.choice([0, 0.8, 2.0])),
                    partial=bool(rng.integers(2)),
                )
            )
    return found


@pytest.mark.parametrize("unknown", [{}, {"unknown": 0.55}, {"unknown_energy": -2.5}])
def test_it_counts_what_the_detector_finds(unknown: dict[str, float]) -> None:
    videos = [restless(seed, gap=seed == 2) for seed in range(6)]
    tried = [replace(rules, **unknown) for rules in settings()]  # type: ignore[arg-type]
    search = RuleSearch(videos, CLASSES, tried[0])
    found = 0
    for rules in tried:
        events = find_events(videos, CLASSES, rules)
        scores = score_videos(videos, events, ["fall", "fight"])
        counts = search.try_rules(rules)
        assert (counts.right, counts.found, counts.truth, counts.alarms) == (
            scores.at(0.5).sum(),
            scores.found.sum(),
            scores.truth.sum(),
            scores.alarms.sum(),
        ), rules
        assert counts.per_hour == pytest.approx(false_alarms_per_hour(scores))
        for place in range(2):
            shown = search._variant(rules).spans(place, rules)
            mine = [
                (number, event.start, event.end, event.peak)
                for number, video in enumerate(events.events)
                for event in video
                if event.label == ["fall", "fight"][place]
            ]
            assert list(zip(shown.video, shown.start, shown.end, shown.score, strict=True)) == mine
        found += counts.found
    assert found > 300  # enough to be wrong with


def test_announcements_come_with_the_row_that_confirms() -> None:
    values = np.array([0.1, 0.9, 0.9, 0.9, 0.1, 0.9, 0.1], np.float32)
    rows = VideoRows(
        np.arange(7.0), np.stack([1 - values, values], axis=1), np.zeros(7, np.float32), np.ones(7, np.bool_), 7.0
    )  # fmt: skip
    rule = LabelRule(0.5, 0.5, min_seconds=1.0, consecutive=3, merge_gap=0)
    rules = EventRules("none", background=("idle",), default=rule, lag=0.5)
    found = find_events([LabelledVideo("v", rows, [], "g")], ["idle", "fall"], rules)
    assert [(event.start, event.end) for event in found.events[0]] == [(0.5, 2.5)]
    assert found.announced == [[3.0]]  # the third row of the run, in the video's own time


def test_a_trimmed_video_is_one_segment_from_end_to_end() -> None:
    video = restless(0)
    assert replace(video, truth=[("fall", 0.0, 24.0)]).trimmed
    assert replace(video, truth=[("fall", 0.1, 23.9)]).trimmed
    assert not replace(video, truth=[("fall", 2.0, 24.0)]).trimmed
    assert not replace(video, truth=[]).trimmed
    assert not replace(video, truth=[("fall", 0.0, 24.0), ("fight", 0.0, 24.0)]).trimmed
