"""The tables beside the images: every image with its label, S4's labels.csv, a manifest, and what was left out."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from kinema.data.frames.folder import Record
from kinema.data.frames.plan import Stretch
from kinema.data.frames.settings import FrameSettings
from kinema.data.manifest import Segment
from kinema.data.readers.tables import write_table
from kinema.data.wording import count
from kinema.files import atomic_path

FRAME_COLUMNS = ("path", "label", "split", "group", "video", "time", "index")
LABEL_COLUMNS = ("video", "frame", "label", "split")
Done = Sequence[tuple[Stretch, Record]]


@dataclass(frozen=True)
class Failure:
    """Something that was left out, or looked wrong.

    `kind`: missing, unreadable, no frames (nothing was written for these seconds); damaged frame (that one frame was
    left out); damaged, truncated, resized (the rest was written). `start` and `end` are seconds, None for the video's
    own; `images` is how many were written of it.
    """

    video: str
    start: float | None
    end: float | None
    label: str | None
    kind: str
    reason: str
    images: int = 0


def write_tables(out: Path, done: Done, failures: Sequence[Failure], settings: FrameSettings) -> list[str]:
    """Write the tables of a folder of frames, and return notes on what they cannot say.

    `frames.csv`: every image (`FRAME_COLUMNS`; time and index are those of the frame in its video). With the layout
    "video" `manifest.csv`: every clip, with the rate and the group, which is what kinema reads; and `labels.csv`: the
    labelled images, for the tools of S4; both only when there are labels. `failures.csv`, where there are any.
    """
    with _table(out / "frames.csv", FRAME_COLUMNS) as write:
        for stretch, record in done:
            for place, segment in _segments(stretch, record):
                path = f"{stretch.folder}/{stretch.image(place + 1, settings.format)}"
                cells = [text or "" for text in (segment.label, segment.split, segment.group)]
                write([path, *cells, stretch.name, record.times[place], record.indices[place]])
    labelled = any(segment.label for stretch, _ in done for segment in stretch.segments)
    if settings.layout == "video" and labelled:
        with _table(out / "labels.csv", LABEL_COLUMNS) as write:
            for stretch, record in done:
                for place, segment in _segments(stretch, record):
                    if segment.label:
                        image = stretch.image(place + 1, settings.format)
                        write([stretch.folder, image, segment.label, segment.split or ""])
        write_table(_manifest(done), out / "manifest.csv")
    else:
        # A labels.csv that people made for unlabelled frames stays, and no manifest must hide it.
        (out / "manifest.csv").unlink(missing_ok=True)
    if failures:
        write_table(pd.DataFrame([asdict(failure) for failure in failures]), out / "failures.csv")
    else:
        (out / "failures.csv").unlink(missing_ok=True)
    return _notes(done, settings)


def _segments(stretch: Stretch, record: Record) -> Iterator[tuple[int, Segment]]:
    """Yield the place of each image in its record, from 0, with its segment."""
    place = 0
    for segment, number in zip(stretch.segments, record.counts, strict=True):
        for _ in range(number):
            yield place, segment
            place += 1


@contextmanager
def _table(path: Path, columns: Sequence[str]) -> Iterator[Callable[[Sequence[object]], object]]:
    # Row by row: a table of millions of images need not fit into memory.
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        yield writer.writerow


def _manifest(done: Done) -> pd.DataFrame:
    """Return a row for each segment: where its images stand in their folder, as seconds at the rate of its frames."""
    rows: list[tuple[int, dict[str, Any]]] = []
    for stretch, record in done:
        alone = len(stretch.segments) == 1
        first = 0
        for segment, number in zip(stretch.segments, record.counts, strict=True):
            if not number:
                continue
            whole = alone and segment.start is None and segment.end is None
            row = {
                "video": stretch.folder,
                "start": None if whole else first / record.rate,
                "end": None if whole else (first + number) / record.rate,
                "label": segment.label,
                "split": segment.split,
                "group": segment.group,
                "fps": record.rate,
                "frames": number,
                "source": stretch.name,
                "source_start": segment.start,
                "source_end": segment.end,
            }
            extra = {name: value for name, value in segment.extra.items() if name not in row}
            rows.append((segment.row, row | extra))
            first += number
    rows.sort(key=lambda pair: pair[0])
    return pd.DataFrame([row for _, row in rows])


def _notes(done: Done, settings: FrameSettings) -> list[str]:
    notes = []
    segments = [segment for stretch, _ in done for segment in stretch.segments]
    without = sum(1 for segment in segments if not segment.label)
    if without and settings.layout == "video":
        rates = {record.rate for _, record in done}
        rate = f"at {rates.pop():g} frames a second" if len(rates) == 1 else "at the rates of their videos"
        if without == len(segments):
            notes.append(f"no clip has a label, so there is no labels.csv yet; the images are {rate}")
        else:
            notes.append(f"{count(without, 'clip')} without a label: in the other tables, not in labels.csv")
    repeated = sum(record.repeated for _, record in done)
    if repeated:
        notes.append(f"{count(repeated, 'image')} repeated, the rate being above that of the video")
    return notes
