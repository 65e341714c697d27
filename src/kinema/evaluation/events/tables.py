"""events.csv: every event and every segment, right or not."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from kinema.evaluation.events.scoring import EventScores
from kinema.evaluation.events.videos import LabelledVideo
from kinema.files import atomic_path

COLUMNS = (
    "video", "group", "kind", "label", "start", "end", "seconds", "right", "tiou", "peak", "announced",
    "false_alarm", "detected", "delay",
)  # fmt: skip


def write_events_csv(path: Path, videos: Sequence[LabelledVideo], scores: EventScores) -> Path:
    """Write a line an event (`kind` found) and a line a segment (`kind` truth), video by video, by their starts.

    `right`, `false_alarm`, `detected` are 1 or 0; `right` is at temporal IoU 0.5, `tiou` of an event the best with any
    segment of its label. Times in seconds of the video. What has no meaning is empty.
    """
    lines: list[tuple[int, float, int, list[object]]] = []
    for one in scores.judged:
        event = one.event
        told = "" if one.announced is None else _number(one.announced)
        cells: list[object] = [
            "found", event.label, _number(event.start), _number(event.end), _number(event.seconds),
            int(one.matched is not None), _number(one.tiou), _number(event.peak), told, int(one.alarm), "", "",
        ]  # fmt: skip
        lines.append((one.video, event.start, 1, cells))
    for awaited in scores.awaited:
        seconds = awaited.end - awaited.start
        cells = [
            "truth", awaited.label, _number(awaited.start), _number(awaited.end), _number(seconds),
            int(awaited.matched), "", "", "", "", int(awaited.detected),
            "" if awaited.delay is None else _number(awaited.delay),
        ]  # fmt: skip
        lines.append((awaited.video, awaited.start, 0, cells))
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(COLUMNS)
        for video, _, _, cells in sorted(lines, key=lambda line: line[:3]):
            writer.writerow([videos[video].name, videos[video].group, *cells])
    return path


def _number(value: float) -> str:
    return f"{value:.6g}"
