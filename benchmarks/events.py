"""Events on real falls and fights: F1, false alarms and delay of chosen rules, beside a threshold for single rows.

    python benchmarks/events.py FALLS FIGHTS [--seed 0] [--json out.json]

FALLS is GMDCSA24 (videos and `annotations/` with time ranges), FIGHTS a folder with `fight/` and `noFight/` of trimmed
clips. Both by cross-validation: in each round some groups are the test, the next ones valid, the others train; the default
recognizer is trained with `kinema.training.train` as it is, its rules are chosen on valid alone, and test is scored once.
The figures pool the test videos of all rounds, so that every video is tested by a model and rules that have not seen it.

- falls: the groups are the four subjects. Every range `Fall…` is "falling"; what remains of a video, whatever else is
  labelled there, is "background", up to the video's last frame, where it is at least a second long (ends of ranges are
  given to whole seconds). Whole videos are followed, as a camera would be. Four subjects give no interval over
  subjects; the one shown is over videos, and says less: other videos of these people.
- fights: the clips are trimmed, so an event in a `fight` clip is a hit when it covers half of the clip, and any event in a
  `noFight` clip is a false alarm. Groups are blocks of ten in the numbering, since neighbours can share a source video;
  six rounds of one block of each class.

Delay runs from the start of the segment to the row that confirms the event. Nothing is chosen on test.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from common import machine, parser, say_machine, table, write
from kinema.data import Manifest, read_data
from kinema.data.labels import last_frames
from kinema.evaluation.events.baselines import baseline_events
from kinema.evaluation.events.choosing import FRAME_GRID, ChosenRules, choose_rules
from kinema.evaluation.events.reading import labelled_videos
from kinema.evaluation.events.summary import summarise_events
from kinema.evaluation.events.videos import FoundEvents, LabelledVideo, find_events, score_videos
from kinema.events import EventRules
from kinema.training import train

RULES = "chosen rules"
SHORTEST = 1.0  # seconds of background to learn from
WANTED = 60.0  # false alarms an hour, where fewer are asked for


@dataclass
class Pooled:
    """The test videos of all rounds with the events of each way of finding them."""

    videos: list[LabelledVideo] = field(default_factory=list)
    found: dict[str, FoundEvents] = field(default_factory=dict)
    chosen: list[ChosenRules] = field(default_factory=list)

    def add(self, videos: Sequence[LabelledVideo], found: dict[str, FoundEvents]) -> None:
        for name, events in found.items():
            mine = self.found.setdefault(name, FoundEvents([], []))
            mine.events.extend(events.events)
            mine.announced.extend(events.announced)
        self.videos += videos


def falls(folder: Path) -> tuple[Manifest, list[list[str]]]:
    """Return "falling" and "background" of whole videos, and the groups of each round's test."""
    ranges = read_data(folder / "annotations", videos=folder)
    lasts = last_frames(ranges)
    rows: list[tuple[str, float, float, str, str]] = []
    for name, part in ranges.table.groupby("video", sort=True):
        group, reached = str(part["group"].iloc[0]), 0.0
        end = lasts[str(name)]
        falling = part[part["label"].str.startswith("Fall")].sort_values("start")
        for first, last in zip(falling["start"], falling["end"], strict=True):
            if first - reached >= SHORTEST:
                rows.append((str(name), reached, float(first), "background", group))
            rows.append((str(name), float(first), float(last), "falling", group))
            reached = float(last)
        if end - reached >= SHORTEST:
            rows.append((str(name), reached, end, "background", group))
    made = pd.DataFrame(rows, columns=["video", "start", "end", "label", "group"])
    manifest = Manifest(made, ranges.root)
    return manifest, [[group] for group in manifest.groups]


def fights(folder: Path) -> tuple[Manifest, list[list[str]]]:
    """Return the clips in blocks of ten, and one block of each class a round."""
    manifest = read_data(folder)
    numbers = manifest.table["video"].str.extract(r"(\d+)\.\w+$")[0].astype(int)
    block = (numbers - 1) // 10
    groups = manifest.table["label"] + " block " + block.astype(str)
    manifest = manifest.replace(manifest.table.assign(group=groups))
    return manifest, [
        [f"{label} block {number}" for label in manifest.classes] for number in sorted(block.unique())
    ]


def rounds(manifest: Manifest, tests: list[list[str]]) -> list[Manifest]:
    """Return the manifest with splits, once for each round: its groups are test, the next round's are valid."""
    found = []
    for number, groups in enumerate(tests):
        valid = tests[(number + 1) % len(tests)]
        split = [
            "test" if group in groups else "valid" if group in valid else "train"
            for group in manifest.table["group"]
        ]
        found.append(manifest.replace(manifest.table.assign(split=split)))
    return found


def one_round(manifest: Manifest, base: EventRules, folder: Path, seed: int) -> tuple[Pooled, Any]:
    """Train, choose on valid, find on test."""
    run = train(manifest, run=str(folder / "run"), settings={"seed": seed})
    recognizer = run.recognizer
    labels = base.alerting(recognizer.classes)
    videos, problems = labelled_videos(
        recognizer, manifest.filter(split=["valid", "test"]), folder / "rows", labels=labels
    )
    for problem in problems:
        print(f"  {problem}", file=sys.stderr)
    valid = [video for video in videos if video.split == "valid"]
    test = [video for video in videos if video.split == "test"]
    settings: dict[str, Any] = {"span": recognizer.spec.span, "base": base}
    chosen = choose_rules(valid, recognizer.classes, **settings)
    quiet = choose_rules(valid, recognizer.classes, false_alarms_per_hour=WANTED, **settings)
    frames = choose_rules(valid, recognizer.classes, grid=FRAME_GRID, **settings)
    pooled = Pooled(chosen=[chosen])
    others = baseline_events(
        test, recognizer.classes, base, recognizer.provenance["train_labels"], frames.rules
    )
    pooled.add(
        test,
        {
            RULES: find_events(test, recognizer.classes, chosen.rules),
            f"chosen for {WANTED:g} false alarms/h": find_events(test, recognizer.classes, quiet.rules),
            "default rules": find_events(test, recognizer.classes, base),
            **{_plain(name): events for name, events in others.items()},
        },
    )
    return pooled, recognizer


def _plain(name: str) -> str:
    """Return a baseline's name without the threshold, which differs from round to round."""
    return name.partition(" (")[0]


def task(
    name: str,
    made: tuple[Manifest, list[list[str]]],
    base: EventRules,
    groups: Callable[[LabelledVideo], str],
    options: Any,
) -> dict[str, Any]:
    manifest, tests = made
    print(f"\n== {name}: {len(manifest)} segments, {len(tests)} rounds", flush=True)
    pooled = Pooled()
    began = time.perf_counter()
    span = 0.0
    for number, splits in enumerate(rounds(manifest, tests), start=1):
        with tempfile.TemporaryDirectory() as scratch:
            found, recognizer = one_round(splits, base, Path(scratch), options.seed)
        span = recognizer.spec.span
        pooled.add(found.videos, found.found)
        pooled.chosen += found.chosen
        best = found.chosen[0]
        rule, rules = best.rules.default, best.rules
        print(
            f"round {number}: test {', '.join(tests[number - 1])}; valid F1 {best.counts.f1:.3f}: enter {rule.enter:g}, "
            f"leave {rule.leave:g}, {rule.consecutive} rows, {rule.min_seconds:g} s, gaps to {rule.merge_gap:g} s, "
            f"{rules.smoothing} {rules.smoothing_seconds:g} s, lag {rules.lag:g} s{', partial' if rules.partial else ''}",
            flush=True,
        )
    labels = base.alerting(manifest.classes)
    videos = [replace(video, group=groups(video)) for video in pooled.videos]
    scores = {title: score_videos(videos, events, labels) for title, events in pooled.found.items()}
    summary = summarise_events(
        videos,
        scores[RULES],
        {title: one for title, one in scores.items() if title != RULES},
        rules=base,
        split="test",
        span=span,
    )
    show(summary)
    print(f"{time.perf_counter() - began:.0f} s")
    return {"summary": summary, "chosen": [one.rules.to_dict() for one in pooled.chosen]}


def show(summary: dict[str, Any]) -> None:
    numbers = summary["numbers"]
    print(
        f"test, all rounds: {numbers['videos']} videos, {60 * numbers['hours']:.1f} minutes, {numbers['segments']} "
        f"segments, {summary['trimmed']} videos trimmed, {numbers['groups']} groups"
    )
    rows = []
    parts = [{"name": RULES, "numbers": numbers, "difference": None}, *summary["baselines"]]
    for part in parts:
        one = part["numbers"]
        rate = one["false_alarms"]["per_hour"]
        rows.append(
            (
                part["name"],
                _interval(one["at"]["0.5"]["f1"], 3),
                _interval(rate, 0) if rate else "–",
                f"{one['false_alarms']['count']}",
                f"{one['detection']['detected']}/{one['segments']}",
                "–" if one["delay"]["median"] is None else f"{one['delay']['median']:.2f}",
                "–" if one["delay"]["p90"] is None else f"{one['delay']['p90']:.2f}",
                "–" if one["map"]["0.5"] is None else f"{one['map']['0.5']['value']:.3f}",
                _interval(part["difference"], 3) if part["difference"] else "",
            )
        )
    head = (
        "", "F1@0.5 (95 %)", "false alarms/h (95 %)", "count", "detected", "delay s", "p90 s", "mAP@0.5",
        "chosen rules minus it",
    )  # fmt: skip
    print(table(head, rows))
    for item in summary["caveats"]:
        print(f"{item['level']}: {item['text']}")


def _interval(part: dict[str, Any] | None, digits: int) -> str:
    if part is None:
        return "–"
    value = f"{part['value']:.{digits}f}"
    if part["low"] is None:
        return value
    return f"{value} ({part['low']:.{digits}f} to {part['high']:.{digits}f})"


def main() -> None:
    asked = parser(__doc__)
    asked.add_argument("falls", type=Path)
    asked.add_argument("fights", type=Path)
    asked.add_argument("--seed", type=int, default=0)
    options = asked.parse_args()
    facts = machine()
    say_machine(facts)
    result: dict[str, Any] = {"machine": facts, "seed": options.seed}
    background = EventRules(background=("background",))
    result["falls"] = task("falls", falls(options.falls), background, lambda video: video.name, options)
    quiet = EventRules(background=("noFight",))
    result["fights"] = task("fights", fights(options.fights), quiet, lambda video: video.group, options)
    write(options.json, result)


if __name__ == "__main__":
    main()
