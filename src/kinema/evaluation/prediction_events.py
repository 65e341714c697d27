"""Events of predicted videos: found in their timelines once, kept beside them, and listed in one table."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kinema.evaluation.prediction_parts import Part
from kinema.events import EventDetector, EventRules, events_of
from kinema.files import atomic_path, write_json

COLUMNS = ("video", "label", "start", "end", "seconds", "peak", "peak_time", "mean", "id")


class VideoEvents:
    """Finds the events of a part's timeline, and keeps them in `parts/NAME.events` with the rules they came from.

    Raises `UsageError` for rules that do not fit the classes.
    """

    def __init__(self, rules: EventRules, classes: Sequence[str]) -> None:
        self.rules, self._classes = rules, list(classes)
        EventDetector(self._classes, rules)  # refuses what does not fit, before any video is looked at

    def find(self, part: Part, source: str) -> list[dict[str, Any]]:
        """Return the events of `part`, as `Event.to_dict` gives them, in the order of their starts."""
        rows = part.timeline()
        found = events_of(
            rows["time"],
            rows["probabilities"],
            self._classes,
            self.rules,
            end=part.state.end,
            energies=rows["energy"],
            full=rows["full"],
            source=source,
        )
        return [event.to_dict() for event in found]

    def stored(self, part: Part) -> list[dict[str, Any]] | None:
        """Return the events of an earlier call, None where there are none or they came from other rules."""
        kept = _read(part.events_path)
        # Through JSON, since what comes back from it has lists for tuples.
        if kept is None or kept["rules"] != json.loads(json.dumps(self.rules.to_dict())):
            return None
        events: list[dict[str, Any]] = kept["events"]
        return events

    def keep(self, part: Part, events: Sequence[dict[str, Any]]) -> None:
        """Store the events of `part` with the rules."""
        write_json(part.events_path, {"rules": self.rules.to_dict(), "events": list(events)})


def write_event_table(path: Path, parts: Sequence[Part]) -> None:
    """Write the events of all parts, video by video and in the order of their starts: `video, label, start, end, seconds,
    peak, peak_time, mean, id`; times in seconds, probabilities smoothed, as in `Event`."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(COLUMNS)
        for part in parts:
            for event in (_read(part.events_path) or {"events": []})["events"]:
                seconds = round(event["end"] - event["start"], 6)
                values = {**event, "video": event["source"], "seconds": seconds}
                writer.writerow([values[column] for column in COLUMNS])


def _read(path: Path) -> dict[str, Any] | None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(kept, dict) and isinstance(kept.get("events"), list) and "rules" in kept
    return kept if whole else None
