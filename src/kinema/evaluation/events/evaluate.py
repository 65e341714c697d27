"""Scores the events of a recognizer on labelled videos, chooses its rules on valid, and writes the page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinema.data import Manifest, read_data
from kinema.data.wording import count, listing
from kinema.errors import DataError, UsageError
from kinema.evaluation.events.baselines import baseline_events
from kinema.evaluation.events.choosing import FRAME_GRID, ChosenRules, RuleGrid, choose_rules
from kinema.evaluation.events.page import write_events_page
from kinema.evaluation.events.reading import labelled_videos
from kinema.evaluation.events.summary import summarise_events
from kinema.evaluation.events.tables import write_events_csv
from kinema.evaluation.events.videos import LabelledVideo, find_events, score_videos
from kinema.evaluation.predictions import Progress
from kinema.events import EventRules
from kinema.files import write_json

if TYPE_CHECKING:
    from kinema.models import Recognizer

BACKGROUND = "background"
"""A class of this name is taken for the background where the rules name neither labels nor background."""


def evaluate_events(
    recognizer: Recognizer | str | os.PathLike[str],
    data: Manifest | str | os.PathLike[str],
    *,
    split: str = "test",
    rules: EventRules | None = None,
    choose_on: str | None = None,
    false_alarms_per_hour: float | None = None,
    grid: RuleGrid | None = None,
    write: bool = False,
    out: str | os.PathLike[str] | None = None,
    rows: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Score the events of a recognizer on one split of labelled videos; return the numbers, which `events.json` holds too.

    - `data`: a manifest whose rows say when something happens (`video, start, end, label`). Each video is looked at whole;
      what no row of an event's label holds is background, and a row without a label names a video in which nothing
      happens. Rows without a split count as test.
    - `rules`: default those stored with the recognizer. `choose_on="valid"`: choose them on that split first (see
      `choose_rules`; `rules` then say what stays: labels, background, cooldown), for at most `false_alarms_per_hour`.
      `write`: store the chosen rules beside the recognizer.
    - `out`: the folder of `events.json`, `events.csv`, `events.html`; without one nothing is written. `rows`: where the
      predicted rows are kept, default `out/rows`; there a second call finds them.

    Raises `DataError` for labels that the recognizer does not know, a split without videos, and data that cannot be read;
    `UsageError` for settings that contradict each other.
    """
    import tempfile

    from kinema.models import Recognizer

    if choose_on is None and (false_alarms_per_hour is not None or write):
        choose_on = "valid"
    _refuse_choosing_on(choose_on, split)
    if isinstance(recognizer, (str, os.PathLike)):
        recognizer = Recognizer.load(recognizer)
    if write and recognizer.folder is None:
        raise UsageError(
            "write: this recognizer was never saved, so there is no folder to store rules in; save it"
        )
    manifest = _splits_of(data if isinstance(data, Manifest) else read_data(data), recognizer.classes)
    rules = with_background(rules or EventRules.of(recognizer.folder), recognizer.classes)
    labels = rules.alerting(recognizer.classes)
    if not labels:
        raise UsageError(
            "event setting background: no class is left to make events; leave out one that should"
        )
    wanted = [name for name in (choose_on, split) if name is not None]
    _refuse_without_rows(manifest, wanted, choose_on)
    with tempfile.TemporaryDirectory(prefix="kinema-events-") as scratch:
        kept = Path(rows) if rows is not None else Path(out or scratch) / "rows"
        videos, problems = labelled_videos(
            recognizer, manifest.filter(split=wanted), kept, labels=labels, progress=progress
        )
    parts = {name: [video for video in videos if video.split == name] for name in wanted}
    _refuse_unreadable(parts, problems)
    chosen = frames = None
    if choose_on is not None:
        settings: dict[str, Any] = {
            "span": recognizer.spec.span,
            "base": rules,
            "false_alarms_per_hour": false_alarms_per_hour,
        }
        chosen = choose_rules(parts[choose_on], recognizer.classes, grid=grid, **settings)
        frames = choose_rules(parts[choose_on], recognizer.classes, grid=FRAME_GRID, **settings)
        rules = chosen.rules
    found = score_events_of(recognizer, parts[split], rules, split, chosen=chosen, frames=frames)
    if leaks := _leaks(manifest, wanted):
        found["caveats"] = [*leaks, *found["caveats"]]
    found["problems"] = problems
    found["chosen_for"] = false_alarms_per_hour
    if out is not None:
        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        scores = score_videos(
            parts[split],
            find_events(parts[split], recognizer.classes, rules),
            rules.alerting(recognizer.classes),
        )
        write_events_csv(folder / "events.csv", parts[split], scores)
        write_events_page(folder / "events.html", found)
        write_json(folder / "events.json", found)
    if write and recognizer.folder is not None:
        rules.save(recognizer.folder)
    return found


def score_events_of(
    recognizer: Recognizer,
    videos: Sequence[LabelledVideo],
    rules: EventRules,
    split: str,
    *,
    chosen: ChosenRules | None = None,
    frames: ChosenRules | None = None,
) -> dict[str, Any]:
    """Return the numbers of `rules` and of the baselines on videos whose rows are known (see `summarise_events`)."""
    labels = rules.alerting(recognizer.classes)
    scores = score_videos(videos, find_events(videos, recognizer.classes, rules), labels)
    baselines = {
        name: score_videos(videos, events, labels)
        for name, events in baseline_events(
            videos,
            recognizer.classes,
            rules,
            recognizer.provenance.get("train_labels") or {},
            frames.rules if frames is not None else None,
        ).items()
    }
    return summarise_events(
        videos, scores, baselines, rules=rules, split=split, span=recognizer.spec.span, chosen=chosen
    )


def with_background(rules: EventRules, classes: Sequence[str]) -> EventRules:
    """Return rules in which a class called "background" makes no events, unless the rules say what does."""
    if rules.labels or rules.background or BACKGROUND not in classes:
        return rules
    return replace(rules, background=(BACKGROUND,))


def _splits_of(manifest: Manifest, classes: Sequence[str]) -> Manifest:
    unknown = [label for label in manifest.classes if label not in classes]
    if unknown:
        raise DataError(
            f"label '{unknown[0]}' is not a class of this recognizer ({', '.join(classes[:8])}); give the rows the names "
            "of its classes (leave the label empty where nothing happens), or train with them"
        )
    return manifest.replace(manifest.table.assign(split=manifest.table["split"].fillna("test")))


def _refuse_choosing_on(choose_on: str | None, split: str) -> None:
    if choose_on is None:
        return
    if choose_on == split:
        raise UsageError(
            f"--choose-on {choose_on}: the rules would be scored on the videos they were chosen on; score another --split"
        )
    if choose_on == "train":
        raise UsageError(
            "--choose-on train: the recognizer knows these videos by heart, so its probabilities there say nothing of "
            "other videos; choose on valid"
        )
    if choose_on == "test":
        raise UsageError("--choose-on test: test is for the last look alone; choose on valid")


def _refuse_without_rows(manifest: Manifest, wanted: Sequence[str], choose_on: str | None) -> None:
    source = manifest.path or manifest.root
    for name in wanted:
        if name in manifest.splits:
            continue
        if name == choose_on:
            raise DataError(
                f"{source}: no {name} split to choose event rules on, and training videos cannot stand in: the recognizer "
                "has learned them; give some groups the split 'valid' and train without them, or give rules with --rules"
            )
        raise DataError(
            f"{source}: no row of split '{name}'; it has {', '.join(manifest.splits) or 'no rows'}"
        )


def _refuse_unreadable(parts: dict[str, list[LabelledVideo]], problems: list[str]) -> None:
    for name, part in parts.items():
        if not part:
            raise DataError(
                f"no video of split '{name}' could be read; first: {(problems or ['unknown'])[0]}"
            )


def _leaks(manifest: Manifest, wanted: Sequence[str]) -> list[dict[str, str]]:
    found = []
    rows = manifest.table[manifest.table["split"].isin(["train", *wanted])]
    for column in ("group", "video"):
        divided = manifest.replace(rows).divided(column)
        if divided:
            verb = "is" if len(divided) == 1 else "are"
            what = f"{count(len(divided), column)} {verb} in more than one split ({listing(divided, 3)})"
            text = f"{what}: the numbers are too good."
            found.append({"level": "serious", "text": text})
    return found
