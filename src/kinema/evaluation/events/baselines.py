"""What event rules have to beat: a threshold for single rows, one label all the time, and nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from kinema.evaluation.events.videos import FoundEvents, LabelledVideo, find_events
from kinema.events import Event, EventRules, LabelRule

HALF = "per-frame threshold 0.5"
CHOSEN = "per-frame threshold chosen on valid"
NOTHING = "no events at all"
ALWAYS = "always '{}'"


def frame_rules(rules: EventRules, threshold: float) -> EventRules:
    """Return rules that smooth nothing and wait for nothing: each run of rows at `threshold` or above is an event."""
    rule = LabelRule(threshold, threshold, 0.0, 1, 0.0, rules.default.cooldown)
    return replace(rules, smoothing="none", smoothing_seconds=0.0, default=rule, per_label={}, lag=0.0)


def baseline_events(
    videos: Sequence[LabelledVideo],
    classes: Sequence[str],
    rules: EventRules,
    train_labels: Mapping[str, int],
    chosen: EventRules | None = None,
) -> dict[str, FoundEvents]:
    """Return the events of each baseline by its name.

    `train_labels` counts the training segments: the most frequent label that makes events is the one that is always
    claimed, in one event from a video's beginning to its end. `chosen`: a per-frame threshold chosen on valid.
    """
    found = {}
    if chosen is not None:
        name = f"{CHOSEN} ({chosen.default.enter:.2f})"
        found[name] = find_events(videos, classes, chosen)
    found[HALF] = find_events(videos, classes, frame_rules(rules, 0.5))
    known = [label for label in rules.alerting(list(classes)) if train_labels.get(label)]
    if known:
        label = max(known, key=lambda one: train_labels[one])
        found[ALWAYS.format(label)] = FoundEvents(
            [[Event(label, 0.0, video.rows.duration, 1.0, 0.0, 1.0)] for video in videos],
            [[0.0] for _ in videos],
        )
    found[NOTHING] = FoundEvents([[] for _ in videos], [[] for _ in videos])
    return found
