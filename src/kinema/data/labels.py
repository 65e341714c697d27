"""Time ranges as labels of single frames, and back: S4's `video,frame,label,split`."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from kinema.data.clock import clock_time
from kinema.data.frame_names import frame_folders, frame_name, frame_number
from kinema.data.groups import assign_groups
from kinema.data.manifest import Manifest, Segment
from kinema.data.readers.registry import read_data, readers
from kinema.data.segments import open_segment, usable_cores
from kinema.data.wording import count, listing
from kinema.errors import DataError, UsageError
from kinema.video import TIME_TOLERANCE
from kinema.video.frame import check_rate
from kinema.video.remote import address_of

OVERLAPS = ("error", "first", "last")
_TAIL = 1.0  # seconds
_ROUND = 1e-9  # of a frame; what floating point leaves of a time that is a whole number of frames


@dataclass(frozen=True)
class _Range:
    """A labelled range of frames of one video, `first <= index < end`, from 0."""

    first: int
    end: int
    label: str
    split: str | None
    place: str


def read_ranges(path: str | os.PathLike[str], *, format: str | None = None, **options: Any) -> Manifest:
    """Return labelled time ranges from any file that `kinema.data.read_data` reads, for `frame_labels_of`.

    Where none of the videos is there, their ranges are kept with the names as written: frames can be labelled
    without the videos, unless the option `videos` says that they are somewhere. `options` are the reader's
    (`videos`, `tier`, `attribute` …).
    """
    path = Path(path)
    if path.exists() and options.get("videos") is None:
        asked = [one for one in readers() if one.name == format or (format is None and one.recognises(path))]
        if asked and "keep_missing" in asked[0].options:
            options["keep_missing"] = True
    return read_data(path, format=format, **options)


def frame_labels_of(
    segments: Manifest,
    fps: float,
    *,
    background: str | None = None,
    overlap: str = "error",
    lengths: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Return a label for each frame of `fps` frames a second: `video, frame, label`, and `split` if there is one.

    Frame k, from 0, shows second k / fps; it is called `VIDEO_00001.jpg` for k = 0, with more digits from
    100,000 on, where VIDEO is the video's name without suffix (with its folder's before it where two would be
    called the same). A frame has the label of the range with start <= k / fps < end, both met 0.002 s early, so
    that it is exactly the frames of the range that are labelled. `background` labels the frames that no range
    holds, up to the end of the video: `lengths` tells its last frame's second by the name in the table (see
    `last_frames`); where it does not, up to the end of the last range. Without `background` such frames have
    no row. `overlap` says what a frame in ranges of different labels gets: an error, or the label of the range
    that stands first or last in the table.

    `attrs["notes"]` names the ranges that hold no frame at this rate, those that overlap, and counts the
    frames without a range. Raises `DataError` for overlaps (unless told otherwise), rows without a label, a
    range to the end of a video of unknown length, or when no frame gets a label; `UsageError` for a rate that
    is not above 0.
    """
    check_rate(fps)
    if overlap not in OVERLAPS:
        raise UsageError(f"overlap must be one of {', '.join(OVERLAPS)}, not '{overlap}'")
    source = str(segments.path or segments.root)
    totals = {video: frames_until(last, fps) for video, last in (lengths or {}).items()}
    notes: list[str] = []
    by_video = _ranges(segments, fps, totals, source, notes)
    names = frame_folders(by_video)
    rows: list[tuple[str, str, str, str | None]] = []
    overlaps: list[str] = []
    bare = 0
    for video, ranges in by_video.items():
        total = totals.get(video, max((one.end for one in ranges), default=0))
        labels: list[_Range | None] = [None] * total
        overlaps += _overlapping(ranges, fps, video)
        for one in ranges if overlap != "first" else reversed(ranges):
            labels[one.first : one.end] = [one] * (min(one.end, total) - one.first)
        splits = {one.split for one in ranges}
        common = splits.pop() if len(splits) == 1 else None
        for index, chosen in enumerate(labels):
            if chosen is not None:
                rows.append((names[video], frame_name(names[video], index), chosen.label, chosen.split))
            elif background is not None:
                rows.append((names[video], frame_name(names[video], index), background, common))
            else:
                bare += 1
    if overlaps and overlap == "error":
        mend = "correct the times, or let the first or the last of them win (--overlap)"
        raise DataError(f"{source}: ranges of different labels overlap: {listing(overlaps, 3)}; {mend}")
    if overlaps:
        notes.append(f"{count(len(overlaps), 'overlap')}, the {overlap} range wins: {listing(overlaps)}")
    if not rows:
        raise DataError(f"{source}: no frame gets a label at {fps:g} frames a second; {listing(notes, 2)}")
    unknown = [video for video in by_video if video not in totals]
    if background is not None and unknown:
        what = f"{count(len(unknown), 'video')} of unknown length, labelled up to the end of the last range"
        notes.append(f"{what}: {listing(unknown)}")
    if bare:
        notes.append(f"{count(bare, 'frame')} in no range, without a row; background labels them")
    table = pd.DataFrame(rows, columns=["video", "frame", "label", "split"])
    if table["split"].isna().all():
        table = table.drop(columns="split")
    total_videos = table["video"].nunique()
    what = (
        f"{count(len(table), 'frame')} of {count(total_videos, 'video')} labelled at {fps:g} frames a second"
    )
    table.attrs["notes"] = [what, *notes]
    return table


def segments_of(frames: pd.DataFrame, fps: float, *, background: str | None = None) -> Manifest:
    """Return the time ranges of a table of frame labels (`video, frame, label`, perhaps `split`), as a manifest.

    The number in a frame's name tells its time: number n is second (n - 1) / fps, or n / fps for a video whose
    numbers begin with 0. Consecutive numbers with equal label and split are one range, from its first frame
    to the frame after its last; a number that is missing ends a range. Frames labelled `background` are left
    out. `video` is as the table has it. What `frame_labels_of` made of ranges, this gives back, each end to
    less than 1 / fps.

    The notes name repeated frames, frames with two labels (left out), and missing numbers. Raises `DataError`
    for a frame without a number in its name, or when no range is left.
    """
    check_rate(fps)
    notes: list[str] = []
    rows: list[tuple[str, float, float, str, str | None, int]] = []
    splits = (
        frames["split"] if "split" in frames.columns else pd.Series([None] * len(frames), index=frames.index)
    )
    by_video: dict[str, dict[int, set[tuple[str, str | None]]]] = {}
    for video, frame, label, split in zip(
        frames["video"], frames["frame"], frames["label"], splits, strict=True
    ):
        found = by_video.setdefault(video, {}).setdefault(frame_number(frame, video), set())
        found.add((label, split if isinstance(split, str) else None))
    double, gaps = list[str](), list[str]()
    for video, numbers in by_video.items():
        base = 0 if 0 in numbers else 1
        double += [f"{video} {number}" for number, found in numbers.items() if len(found) > 1]
        ordered = sorted(numbers)
        gaps += [f"{video} {_numbers(a + 1, b - 1)}" for a, b in pairwise(ordered) if b > a + 1]
        single = {number: next(iter(found)) for number, found in numbers.items() if len(found) == 1}
        for first, last, (label, split) in _runs(single):
            if label != background:
                start, end = (first - base) / fps, (last + 1 - base) / fps
                rows.append((video, round(start, 6), round(end, 6), label, split, last - first + 1))
    repeated = len(frames) - sum(len(found) for numbers in by_video.values() for found in numbers.values())
    if repeated:
        notes.append(f"{count(repeated, 'row')} repeated, used once")
    if double:
        notes.append(f"{count(len(double), 'frame')} with two labels or splits, left out: {listing(double)}")
    if gaps:
        notes.append(
            f"{count(len(gaps), 'gap')} in the numbers of frames, where a range ends: {listing(gaps)}"
        )
    if not rows:
        raise DataError(
            f"{frames.attrs.get('source', 'frame labels')}: no range is left; {listing(notes, 2)}"
        )
    labelled = f"{count(len(frames), 'labelled frame')} of {count(len(by_video), 'video')}"
    notes.insert(0, f"{labelled} became {count(len(rows), 'range')} at {fps:g} frames a second")
    table = pd.DataFrame(rows, columns=["video", "start", "end", "label", "split", "frames"])
    return assign_groups(Manifest(table, frames.attrs.get("root", "."), notes=notes))


def timestamps_of(segments: Manifest) -> pd.DataFrame:
    """Return segments as S4 writes them: `video, time_start, time_end, label` (and `split`), times HH:MM:SS.

    Times have the decimals they need, and all of their hours. Raises `DataError` for a segment without an end
    or without a label: the format has no way to say so.
    """
    rows = []
    for one in segments.segments():
        if one.end is None or one.label is None:
            what = "no end" if one.end is None else "no label"
            raise DataError(
                f"{segments.path or segments.root}: {_place(one)} has {what}; timestamps need one"
            )
        rows.append((one.name, clock_time(one.start or 0.0), clock_time(one.end), one.label, one.split))
    table = pd.DataFrame(rows, columns=["video", "time_start", "time_end", "label", "split"])
    return table.drop(columns="split") if table["split"].isna().all() else table


def last_frames(segments: Manifest) -> dict[str, float]:
    """Return the second at which the last frame of each video is shown; only the videos' ends are decoded.

    Videos that are not there or cannot be opened are passed over.
    """
    there = (one for one in segments.segments() if one.video.exists() or address_of(one.video) is not None)
    videos = {one.name: one for one in there}
    with ThreadPoolExecutor(min(usable_cores(), 8)) as pool:
        times = pool.map(_last_frame, videos.values())
        return {name: time for name, time in zip(videos, times, strict=True) if time is not None}


def frames_until(last: float, fps: float) -> int:
    """Return how many frames a second-by-`fps` grid has up to a video's last frame, in seconds.

    >>> frames_until(9.96, 25), frames_until(9.96, 5)
    (250, 50)
    """
    return math.floor((last + TIME_TOLERANCE) * fps + _ROUND) + 1


def _last_frame(one: Segment) -> float | None:
    try:
        with open_segment(one) as source:
            # The stated duration may be wrong, and the rate of its last frames too.
            for start in (max(0.0, (source.duration or 0.0) - _TAIL), 0.0):
                times = [picture.time for picture in source.pictures(start, None)]
                if times:
                    return max(times)
    except DataError:
        return None
    return None


def _ranges(
    segments: Manifest, fps: float, totals: Mapping[str, int], source: str, notes: list[str]
) -> dict[str, list[_Range]]:
    """Return the ranges of frames of each video, in the order of the table."""
    found: dict[str, list[_Range]] = {}
    empty: list[str] = []
    for one in segments.segments():
        mine = found.setdefault(one.name, [])
        place = _place(one)
        if one.label is None:
            raise DataError(f"{source}: {place} has no label; label it or remove it")
        total = totals.get(one.name)
        if one.end is None and total is None:
            what = f"lasts to the end of '{one.name}', whose length is not known"
            raise DataError(f"{source}: {place} {what}; name the folder of the videos, or give the end")
        first = _index(one.start or 0.0, fps)
        end = total if one.end is None else _index(one.end, fps)
        assert end is not None
        end = end if total is None else min(end, total)
        if end > first:
            mine.append(_Range(first, end, one.label, one.split, place))
        else:
            empty.append(f"{place} ({one.start or 0.0:g} to {one.end:g} s)" if one.end is not None else place)
    if empty:
        notes.append(f"{count(len(empty), 'range')} without a frame at {fps:g} a second: {listing(empty)}")
    return found


def _index(time: float, fps: float) -> int:
    """Return the first frame at or after a time that may be early by the tolerance, or a quarter of a frame."""
    return max(0, math.ceil((time - min(TIME_TOLERANCE, 0.25 / fps)) * fps - _ROUND))


def _overlapping(ranges: list[_Range], fps: float, video: str) -> Iterator[str]:
    """Yield the pairs of ranges that share frames and differ in label or split."""
    ordered = sorted(ranges, key=lambda one: (one.first, one.end))
    active: list[_Range] = []
    for one in ordered:
        active = [other for other in active if other.end > one.first]
        for other in active:
            if (other.label, other.split) != (one.label, one.split):
                start, end = clock_time(one.first / fps), clock_time(min(one.end, other.end) / fps)
                yield f"{other.place} '{other.label}' and {one.place} '{one.label}' of {video}, {start} to {end}"
        active.append(one)


def _numbers(first: int, last: int) -> str:
    return str(first) if first == last else f"{first} to {last}"


def _place(one: Segment) -> str:
    origin = one.extra.get("origin")
    return origin if isinstance(origin, str) else f"row {one.row + 1}"


def _runs(labels: Mapping[int, tuple[str, str | None]]) -> Iterator[tuple[int, int, tuple[str, str | None]]]:
    first: int | None = None
    for number in sorted(labels):
        first = number if first is None else first
        if labels.get(number + 1) != labels[number]:
            yield first, number, labels[number]
            first = None
