"""What annotation files say: labelled time ranges of named videos, and what of it cannot be used."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kinema.data.clock import seconds_of
from kinema.data.manifest import Absent
from kinema.data.readers.video_names import plain_name


@dataclass(slots=True)
class TimeRange:
    """A labelled stretch of a video, as an annotation file gives it.

    `origin` is the place in the file ("falls.csv line 3"), `names` what the video may be called, the likeliest
    first, `start` and `end` are seconds, or with `frames` numbers of frames, from 0, `end` being the first
    frame after it; None stands for the beginning and the end of the video.
    """

    origin: str
    names: tuple[str, ...]
    start: float | None
    end: float | None
    label: str
    frames: bool = False
    offset: float = 0.0  # seconds that the video had run when the annotations' clock stood at 0
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class Annotations:
    """What one or several annotation files say: usable ranges, and why the others are not."""

    ranges: list[TimeRange] = field(default_factory=list)
    faults: list[Absent] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(
        self, origin: str, names: Sequence[str], start: Any, end: Any, label: str, **settings: Any
    ) -> None:
        """Add a range; times are text or numbers, None for the ends of the video. A bad one is a fault."""
        label = label.strip()
        try:
            first, last = _time(start, "start"), _time(end, "end")
            if not any(plain_name(name) for name in names):
                raise ValueError("no video is named")
            if not label:
                raise ValueError("the label is empty")
            if last is not None and last == (first or 0.0):
                raise ValueError(f"start and end are both {end}; the range has no length")
            if last is not None and last < (first or 0.0):
                raise ValueError(f"the end {end} is before the start {start}; swap or correct the times")
        except ValueError as error:
            self.refuse(origin, str(error), names, label)
            return
        self.ranges.append(TimeRange(origin, tuple(names), first, last, label, **settings))

    def refuse(self, origin: str, why: str, names: Sequence[str] = (), label: str | None = None) -> None:
        """Add a range, or what should be one, that cannot be used."""
        self.faults.append(Absent(origin, plain_name(names[0]) if names else "", label or None, why))


def files_of(path: Path, suffixes: Iterable[str]) -> list[Path]:
    """Return the file itself, or the files directly in a folder with one of these suffixes, by name."""
    if not path.is_dir():
        return [path]
    wanted = set(suffixes)
    items = (item for item in path.iterdir() if item.suffix.lower() in wanted and item.is_file())
    return sorted(item for item in items if not item.name.startswith("."))


def _time(value: Any, name: str) -> float | None:
    if value is None:
        return None
    try:
        time = seconds_of(value) if isinstance(value, str) else float(value)
        if not math.isfinite(time):
            raise ValueError(f"{value} is no time")
        if time < 0:
            raise ValueError(f"{value} is negative; times count from the start of the video")
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    return time
