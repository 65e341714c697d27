"""Everything the page of events says, computed once: the same numbers go to events.json and events.html."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from kinema.evaluation.events.choosing import ChosenRules
from kinema.evaluation.events.numbers import (
    SHOWN,
    event_numbers,
    f1_difference,
    precision_recall_points,
)
from kinema.evaluation.events.scoring import EventScores
from kinema.evaluation.events.videos import LabelledVideo
from kinema.evaluation.summary import jsonable
from kinema.events import EventRules

_FEW_GROUPS = 10
_FEW_SEGMENTS = 10


def summarise_events(
    videos: Sequence[LabelledVideo],
    scores: EventScores,
    baselines: Mapping[str, EventScores],
    *,
    rules: EventRules,
    split: str,
    span: float,
    chosen: ChosenRules | None = None,
    mistakes: int = 12,
    timelines: int = 8,
) -> dict[str, Any]:
    """Return the numbers ready for JSON: `split, labels, numbers` (`event_numbers`), `baselines` (with the paired
    `difference` of F1), `rules`, `chosen`, `curve`, `precision_recall`, `false_alarms`, `misses`, `timelines`, `trimmed`,
    `protocol`, `caveats`."""
    numbers = event_numbers(scores)
    trimmed = sum(video.trimmed for video in videos)
    found = {
        "split": split,
        "labels": scores.labels,
        "protocol": _protocol(scores, split, chosen is not None),
        "numbers": numbers,
        "baselines": [
            {"name": name, "numbers": event_numbers(one), "difference": f1_difference(scores, one)}
            for name, one in baselines.items()
        ],
        "rules": rules.to_dict(),
        "span": span,
        "chosen": _chosen(chosen),
        "curve": [] if chosen is None else chosen.curve,
        "precision_recall": {f"{t:g}": precision_recall_points(scores, t) for t in SHOWN},
        "trimmed": trimmed,
        "false_alarms": _false_alarms(videos, scores, mistakes),
        "misses": _misses(videos, scores, mistakes),
        "timelines": _timelines(videos, scores, timelines),
    }
    found["caveats"] = _caveats(found, len(videos), baselines)
    result: dict[str, Any] = jsonable(found)
    return result


def _protocol(scores: EventScores, split: str, chosen: bool) -> str:
    labels = ", ".join(f"'{label}'" for label in scores.labels[:6]) + (" …" if len(scores.labels) > 6 else "")
    how = "chosen on valid, where F1 was highest" if chosen else "as stored with the recognizer or given"
    return (
        f"Events of {labels} in whole videos of '{split}', from rules {how}. An event is right where its temporal IoU with a "
        "segment of its label reaches the threshold, each segment once, the surest event first."
    )


def _chosen(chosen: ChosenRules | None) -> dict[str, Any] | None:
    if chosen is None:
        return None
    return {
        "f1": chosen.counts.f1,
        "false_alarms_per_hour": chosen.counts.per_hour,
        **{name: getattr(chosen.counts, name) for name in ("right", "found", "truth", "alarms")},
        "tried": chosen.tried,
        "met": chosen.met,
        "lowest_false_alarms_per_hour": chosen.lowest_rate,
        "notes": chosen.notes,
    }


def _false_alarms(videos: Sequence[LabelledVideo], scores: EventScores, count: int) -> list[dict[str, Any]]:
    alarms = sorted((one for one in scores.judged if one.alarm), key=lambda one: -one.event.peak)
    return [
        {
            "video": videos[one.video].name,
            **{name: getattr(one.event, name) for name in ("label", "start", "end", "peak", "peak_time")},
            "announced": one.announced,
        }
        for one in alarms[:count]
    ]


def _misses(videos: Sequence[LabelledVideo], scores: EventScores, count: int) -> list[dict[str, Any]]:
    missed = sorted(
        (one for one in scores.awaited if not one.matched),
        key=lambda one: (one.detected, one.start - one.end),
    )
    return [
        {
            "video": videos[one.video].name,
            **{name: asdict(one)[name] for name in ("label", "start", "end", "detected", "delay")},
        }
        for one in missed[:count]
    ]


def _timelines(videos: Sequence[LabelledVideo], scores: EventScores, count: int) -> list[dict[str, Any]]:
    """The videos with most mistakes, and as many others, each label a lane."""
    wrong = [0] * len(videos)
    some = [0] * len(videos)
    for one in scores.judged:
        wrong[one.video] += one.matched is None
        some[one.video] += 1
    for awaited in scores.awaited:
        wrong[awaited.video] += not awaited.matched
        some[awaited.video] += 1
    worst = sorted(range(len(videos)), key=lambda i: -wrong[i])
    half = [i for i in worst if wrong[i]][: (count + 1) // 2]
    rest = sorted((i for i in range(len(videos)) if i not in half), key=lambda i: (wrong[i] > 0, -some[i], i))
    shown = half + rest[: count - len(half)]
    return [_timeline(i, videos[i], scores) for i in sorted(shown)]


def _timeline(number: int, video: LabelledVideo, scores: EventScores) -> dict[str, Any]:
    lanes: dict[str, dict[str, Any]] = {}

    def lane(label: str) -> dict[str, Any]:
        return lanes.setdefault(label, {"label": label, "truth": [], "found": []})

    for awaited in (one for one in scores.awaited if one.video == number):
        span: dict[str, Any] = {"start": awaited.start, "end": awaited.end, "detected": awaited.detected}
        lane(awaited.label)["truth"].append(span)
    for one in (one for one in scores.judged if one.video == number):
        kind = "right" if one.matched is not None else "alarm" if one.alarm else "poor"
        event = one.event
        span = {"start": event.start, "end": event.end, "kind": kind, "peak": event.peak, "tiou": one.tiou}
        lane(event.label)["found"].append(span)
    return {"video": video.name, "duration": video.rows.duration, "lanes": list(lanes.values())}


def _caveats(
    found: Mapping[str, Any], count: int, baselines: Mapping[str, EventScores]
) -> list[dict[str, str]]:
    numbers, said = found["numbers"], []
    if found["split"] != "test":
        said.append(("serious", f"These numbers are of '{found['split']}', not of a test split."))
    f1 = numbers["at"]["0.5"]["f1"]
    if f1 is not None and f1["low"] is None:
        said.append(("serious", f"No interval: {f1['note']}."))
    elif numbers["groups"] < _FEW_GROUPS:
        said.append(
            (
                "warning",
                f"Only {numbers['groups']} groups: the intervals are uncertain and tend to be too narrow.",
            )
        )
    if found["trimmed"]:
        who = "Every video is" if found["trimmed"] == count else f"{found['trimmed']} of {count} videos are"
        said.append(
            (
                "warning",
                f"{who} trimmed: one segment fills the whole clip, so temporal IoU is with the clip, the "
                "beginning and the end need not be found, and there is no time around it for false alarms.",
            )
        )
    if numbers["segments"] < _FEW_SEGMENTS:
        said.append(
            ("warning", f"Only {numbers['segments']} segments: one more or less right moves F1 a lot.")
        )
    for verb, names in _not_beaten(found["baselines"]).items():
        said.append(("warning", f"F1 is {verb} than that of {'; '.join(names)}."))
    if found["chosen"]:
        said += [("warning" if i == 0 and not found["chosen"]["met"] else "note", note)
                 for i, note in enumerate(found["chosen"]["notes"])]  # fmt: skip
    return [{"level": level, "text": text} for level, text in said]


def _not_beaten(baselines: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in baselines:
        gain = one["difference"]
        if gain["value"] <= 0 or (gain["low"] is not None and gain["low"] <= 0):
            verb = "no better" if gain["value"] <= 0 else "not clearly better"
            found.setdefault(verb, []).append(f"'{one['name']}' ({_signed(gain)})")
    return found


def _signed(gain: Mapping[str, Any]) -> str:
    text = f"{100 * gain['value']:+.1f} points"
    return text if gain["low"] is None else f"{text}, {100 * gain['low']:+.1f} to {100 * gain['high']:+.1f}"
