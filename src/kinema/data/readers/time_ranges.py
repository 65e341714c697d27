"""Labelled time ranges on their videos, found and long enough, as a manifest; what cannot be used is listed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from kinema.data.groups import assign_groups
from kinema.data.manifest import NOT_THERE, Absent, Manifest
from kinema.data.readers.annotations import Annotations, TimeRange
from kinema.data.readers.video_names import VideoFinder, holds_videos, plain_name
from kinema.data.segments import usable_cores
from kinema.data.wording import count, listing
from kinema.errors import DataError, UsageError
from kinema.video import open_source
from kinema.video.remote import address_of

_ROUNDING = 1.0  # seconds by which a range that people noted may pass the end of its video


@dataclass
class _Video:
    """A video that ranges name: where it is and what opening it told."""

    path: Path | None
    duration: float | None = None
    fps: float | None = None
    fault: str | None = None


@dataclass
class _Outcome:
    """What became of the ranges: rows of the manifest, and all that was left out or changed."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    faults: list[Absent] = field(default_factory=list)
    missing: list[Absent] = field(default_factory=list)
    broken: list[Absent] = field(default_factory=list)
    cut: int = 0
    far: list[str] = field(default_factory=list)


def manifest_of_ranges(
    annotations: Annotations,
    source: Path,
    *,
    videos: Path | None = None,
    fps: float | None = None,
    keep_missing: bool = False,
) -> Manifest:
    """Return the ranges as a manifest, its videos found and its times checked against their lengths.

    `source`: the annotation file, or the folder of them. `videos`: the folder of the videos; without it they
    are looked for beside the annotations, and where no video is there, in the folder above. `fps`: the rate of
    frame folders, and of videos that are not there where times are numbers of frames. `keep_missing`: where
    none of the videos is there, their ranges are kept, unchecked against lengths.

    Left out, named in the notes and all listed in `Manifest.absent`: ranges that start at or past the end of
    their video, that have no length, that are negative, reversed or no numbers; repetitions; videos that are
    missing or cannot be opened. A range that ends past the end of its video ends with it. Videos
    in object stores (s3://…) are taken to be there, and as long as their ranges say. The column `origin` tells
    the place of each range.

    Raises `DataError` when nothing usable is left, `UsageError` when `videos` is no folder.
    """
    if fps is not None and not fps > 0:
        raise UsageError(f"fps must be above 0, not {fps}")
    folder = source if source.is_dir() else source.parent
    listed = {name for one in annotations.ranges for name in one.names}
    finder = VideoFinder(_roots(folder, videos), listed)
    found = _found(annotations.ranges, finder, fps)
    keep = keep_missing and all(one.path is None and one.fault is None for one in found.values())
    outcome = _checked(annotations, found, fps, keep)
    if not outcome.rows:
        raise DataError(f"{source}: {_nothing(outcome, finder, videos)}")
    root = _root([Path(row["video"]) for row in outcome.rows], finder.folders, folder)
    for row in outcome.rows:
        path = Path(row["video"])
        if path.is_absolute() and path.is_relative_to(root):
            row["video"] = path.relative_to(root).as_posix()
    used = len({row["video"] for row in outcome.rows})
    given = len(annotations.ranges) + len(annotations.faults)
    notes = [
        f"{count(len(outcome.rows), 'range')} of {count(used, 'video')}, "
        f"of the {given:,} given of {count(len(found), 'name')}",
        *annotations.notes,
        *_notes(outcome, finder, keep),
    ]
    if videos is None and root != folder.absolute():
        notes.append(f"the videos are in {root}/")
    absent = [*outcome.missing, *outcome.broken, *outcome.faults]
    return assign_groups(Manifest(pd.DataFrame(outcome.rows), root, notes=notes, absent=absent, path=source))


def _roots(folder: Path, videos: Path | None) -> list[tuple[Path, int]]:
    if videos is None:
        if holds_videos(folder, 6):
            return [(folder, 6)]
        # The folder above may be a home folder, so it is not searched to the bottom.
        return [(folder, 6), (folder.absolute().parent, 2)]
    if not videos.is_dir():
        raise UsageError(f"{videos}: no such folder; name the folder of the videos")
    return [(videos, 8)]


def _found(ranges: list[TimeRange], finder: VideoFinder, fps: float | None) -> dict[tuple[str, ...], _Video]:
    found: dict[tuple[str, ...], _Video] = {}
    for names in dict.fromkeys(one.names for one in ranges):
        try:
            found[names] = _Video(finder.find(*names))
        except DataError as error:
            found[names] = _Video(None, fault=str(error))
    opened = {video.path: video for video in found.values() if video.path is not None}
    with ThreadPoolExecutor(min(usable_cores(), 8)) as pool:
        for path, known in zip(opened, pool.map(lambda path: _opened(path, fps), opened), strict=True):
            opened[path] = known
    return {names: opened.get(video.path, video) if video.path else video for names, video in found.items()}


def _opened(path: Path, fps: float | None) -> _Video:
    if address_of(path) is not None:
        return _Video(path)  # its length would cost a download
    try:
        with open_source(path, fps=fps if path.is_dir() else None, threads=1) as source:
            return _Video(path, source.duration, source.fps)
    except DataError as error:
        return _Video(path, fault=str(error).removeprefix(f"{path}: "))


def _checked(
    annotations: Annotations, found: dict[tuple[str, ...], _Video], fps: float | None, keep: bool
) -> _Outcome:
    """Return the rows of the ranges that can be used, and why the others cannot."""
    outcome = _Outcome(faults=list(annotations.faults))
    seen: dict[tuple[Any, ...], str] = {}
    for one in annotations.ranges:
        video, name = found[one.names], plain_name(one.names[0])
        if video.fault is not None:
            outcome.broken.append(Absent(one.origin, name, one.label, video.fault))
            continue
        if video.path is None and not keep:
            outcome.missing.append(Absent(one.origin, name, one.label, NOT_THERE))
            continue
        try:
            start, end, over = _times(one, video, fps)
        except ValueError as error:
            outcome.faults.append(Absent(one.origin, name, one.label, str(error)))
            continue
        outcome.cut += over > 0
        if over > _ROUNDING:
            outcome.far.append(f"{one.origin} (ends {over:.1f} s past {name})")
        place = name if video.path is None else address_of(video.path) or str(video.path)
        key = (place, start, end, one.label)
        if key in seen:
            why = f"the same video, times and label stand at {seen[key]}"
            outcome.faults.append(Absent(one.origin, name, one.label, why))
            continue
        seen[key] = one.origin
        row: dict[str, Any] = {"video": place, "start": start, "end": end, "label": one.label, **one.extra}
        row["origin"] = one.origin
        if video.path is not None and video.path.is_dir():
            row["fps"] = video.fps
        outcome.rows.append(row)
    return outcome


def _notes(outcome: _Outcome, finder: VideoFinder, keep: bool) -> list[str]:
    notes = []
    if keep:
        notes.append("none of the videos is there: the times are not checked against their lengths")
    if finder.moved:
        what = f"{count(len(finder.moved), 'video')} found by file name alone, in another folder than named"
        notes.append(f"{what}: {listing(finder.moved)}")
    if outcome.cut:
        notes.append(f"{count(outcome.cut, 'range')} ended past the end of the video, cut there")
    if outcome.far:
        notes.append(f"of them by more than {_ROUNDING:g} s, look again: {listing(outcome.far)}")
    if outcome.missing:
        places = listing([f"{root}/" for root in finder.folders])
        names = _names(outcome.missing)
        notes.append(f"missing: {count(len(names), 'video')} not in {places}: {listing(names)}")
    if outcome.broken:
        told = [f"{name} ({fault})" for name, fault in _names(outcome.broken).items()]
        notes.append(f"left out: {count(len(told), 'video')} that cannot be used: {listing(told, 3)}")
    if outcome.faults:
        number = count(len(outcome.faults), "range")
        notes.append(f"left out: {number} that cannot be used: {listing(_told(outcome.faults), 8)}")
    return notes


def _names(absent: list[Absent]) -> dict[str, str]:
    """Return the videos of some ranges, each once, and why they are absent."""
    return {one.path: one.why for one in absent}


def _told(absent: list[Absent]) -> list[str]:
    return [f"{one.place}: {one.why}" for one in absent]


def _times(one: TimeRange, video: _Video, fps: float | None) -> tuple[float | None, float | None, float]:
    """Return start and end in seconds of the video, and by how much the end was cut."""
    rate = 1.0
    if one.frames:
        known = video.fps or fps
        if known is None:
            raise ValueError(
                "its times are frame numbers, and the video that tells the rate is missing; give fps"
            )
        rate = known
    start, end = (
        None if time is None else round(time / rate + one.offset, 6) for time in (one.start, one.end)
    )
    if start is not None and start < 0:
        if end is not None and end <= 0:
            raise ValueError(f"ends at {end:g} s, before the video begins")
        start = 0.0
    if video.duration is None:
        return start, end, 0.0
    if start is not None and start >= video.duration:
        raise ValueError(f"starts at {start:g} s, the video ends at {video.duration:.2f} s")
    over = 0.0 if end is None else end - video.duration
    return start, video.duration if over > 0 else end, max(over, 0.0)


def _root(videos: list[Path], roots: list[Path], folder: Path) -> Path:
    absolute = [path for path in videos if path.is_absolute()]
    if not absolute:
        return folder
    return next((root for root in roots if all(path.is_relative_to(root) for path in absolute)), folder)


def _nothing(outcome: _Outcome, finder: VideoFinder, videos: Path | None) -> str:
    """Return why no range is left."""
    if outcome.broken:
        told = [f"{name} ({fault})" for name, fault in _names(outcome.broken).items()]
        return f"no named video can be used: {listing(told, 2)}"
    if outcome.missing:
        places = listing([f"{root}/" for root in finder.folders])
        names = _names(outcome.missing)
        mend = "check the names" if videos else "name their folder (--videos)"
        named = count(len(names), "named video")
        return f"none of the {named} is in {places}: {listing(names, 3)}; {mend}"
    if outcome.faults:
        return f"no usable time range: {listing(_told(outcome.faults), 3)}"
    return "no labelled time range is in it"
